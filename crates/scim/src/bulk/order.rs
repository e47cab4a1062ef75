//! In which order the operations of a bulk request run.

use std::collections::HashMap;

use super::{Item, Method};

/// One operation in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The place of the operation in the request.
    pub(crate) index: usize,
    /// The bulkIds that it refers to and that can only be created after it.
    pub(crate) later: Vec<String>,
}

/// The order in which operations run: that of the request, but for those that others refer to, which run before.
pub(crate) fn order(items: &mut [Item]) -> Vec<Turn> {
    let mut places: HashMap<String, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        if let (Some(name), Ok(operation)) = (&item.bulk_id, &item.operation)
            && operation.method == Method::Post
        {
            places.insert(name.clone(), index);
        }
    }
    let references: Vec<Vec<(usize, String)>> = items
        .iter_mut()
        .map(|item| match &mut item.operation {
            Err(_) => Vec::new(),
            Ok(operation) => {
                let names = operation.references().into_iter();
                names
                    .filter_map(|name| Some((*places.get(&name)?, name)))
                    .collect()
            }
        })
        .collect();
    Order {
        references: &references,
        marks: vec![Mark::New; items.len()],
        turns: Vec::with_capacity(items.len()),
    }
    .run()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Begun,
    Done,
}

struct Order<'a> {
    references: &'a [Vec<(usize, String)>],
    marks: Vec<Mark>,
    turns: Vec<Turn>,
}

/// An operation whose references are being looked at.
struct Visit {
    turn: Turn,
    seen: usize,
}

impl Order<'_> {
    fn run(mut self) -> Vec<Turn> {
        for index in 0..self.references.len() {
            self.visit(index);
        }
        self.turns
    }

    /// Depth first, on a stack of its own: a hostile chain of references must not reach that of the thread.
    fn visit(&mut self, index: usize) {
        let mut stack: Vec<Visit> = Vec::new();
        self.begin(index, &mut stack);
        while let Some(visit) = stack.last_mut() {
            let references = self.references.get(visit.turn.index);
            let Some((next, name)) = references.and_then(|all| all.get(visit.seen)) else {
                if let Some(visit) = stack.pop() {
                    self.mark(visit.turn.index, Mark::Done);
                    self.turns.push(visit.turn);
                }
                continue;
            };
            visit.seen += 1;
            if self.marks.get(*next) == Some(&Mark::Begun) {
                visit.turn.later.push(name.clone());
            }
            let next = *next;
            self.begin(next, &mut stack);
        }
    }

    fn begin(&mut self, index: usize, stack: &mut Vec<Visit>) {
        if self.marks.get(index) != Some(&Mark::New) {
            return;
        }
        self.mark(index, Mark::Begun);
        let turn = Turn {
            index,
            later: Vec::new(),
        };
        stack.push(Visit { turn, seen: 0 });
    }

    fn mark(&mut self, index: usize, mark: Mark) {
        if let Some(known) = self.marks.get_mut(index) {
            *known = mark;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::bulk::tests::{group, parse};

    fn turns(items: &mut [Item]) -> Vec<(usize, Vec<String>)> {
        let turns = order(items).into_iter();
        turns.map(|turn| (turn.index, turn.later)).collect()
    }

    #[test]
    fn what_others_refer_to_runs_first_and_a_circle_is_cut_once() {
        let mut forward = parse(&json!([
            group("a", &["b"]),
            group("b", &["c"]),
            group("c", &[])
        ]));
        assert_eq!(turns(&mut forward), [(2, vec![]), (1, vec![]), (0, vec![])]);
        let mut circle = parse(&json!([group("a", &["b"]), group("b", &["a"])]));
        assert_eq!(turns(&mut circle), [(1, vec!["a".to_owned()]), (0, vec![])]);
        let mut own = parse(&json!([group("a", &["a", "none"])]));
        assert_eq!(turns(&mut own), [(0, vec!["a".to_owned()])]);
        let chain: Vec<Value> = (0..1_000)
            .map(|n| group(&n.to_string(), &[&(n + 1).to_string()]))
            .collect();
        assert_eq!(turns(&mut parse(&json!(chain)))[0].0, 999);
    }
}
