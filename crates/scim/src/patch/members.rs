//! Operations on the members of a group: they come and go by id, and the list is never needed.

use serde_json::Value;

use super::read::{Compiler, Verb, required};
use super::{Action, MemberChange};
use crate::dialect::Rule;
use crate::error::Error;
use crate::filter::{Filter, Operand, Operator};
use crate::path::{AttributePath, Path};
use crate::resource::Member;
use crate::schema::Found;

impl Compiler<'_> {
    pub(super) fn members(
        &mut self,
        verb: Verb,
        found: &Found<'_>,
        value: Option<Value>,
    ) -> Result<(), Error> {
        if found.sub_attribute.is_some() {
            return Err(member_mutability());
        }
        let change = match (verb, value) {
            (Verb::Remove, None | Some(Value::Null)) => MemberChange::ReplaceAll(Vec::new()),
            (Verb::Remove, Some(value)) => {
                self.reader.repairs.note(Rule::RemoveWithValue, "members");
                let members = self.reader.members(value)?;
                MemberChange::Remove(members.into_iter().map(|member| member.value).collect())
            }
            (Verb::Add, value) => {
                let members = self.reader.members(required(value)?)?;
                if members.is_empty() {
                    return self.nothing_to_add("members");
                }
                MemberChange::Add(members)
            }
            (Verb::Replace, value) => {
                MemberChange::ReplaceAll(self.reader.members(required(value)?)?)
            }
        };
        self.push(Path::Attribute(found.path.clone()), Action::Members(change));
        Ok(())
    }

    pub(super) fn selected_members(
        &mut self,
        verb: Verb,
        filter: Filter,
        sub: Option<&str>,
        value: Option<Value>,
    ) -> Result<(), Error> {
        let change = match (verb, sub, ids(&filter)) {
            (Verb::Remove, None, Some(ids)) => MemberChange::Remove(ids),
            (Verb::Remove, None, None) => MemberChange::RemoveWhere(filter),
            (Verb::Add | Verb::Replace, None | Some("value"), Some(ids))
                if self.reader.lenient() && ids.len() == 1 =>
            {
                let members = match sub {
                    None => match required(value)? {
                        value @ Value::Object(_) => {
                            self.reader.members(Value::Array(vec![value]))?
                        }
                        value => self.reader.members(value)?,
                    },
                    _ => match required(value)? {
                        Value::String(id) => vec![Member::new(id)],
                        _ => return Err(member_mutability()),
                    },
                };
                if members.iter().any(|member| !ids.contains(&member.value)) {
                    return Err(member_mutability());
                }
                self.reader.repairs.note(Rule::ElementFromFilter, "members");
                MemberChange::Add(members)
            }
            _ => return Err(member_mutability()),
        };
        let members = Path::Attribute(AttributePath::new(None, "members", None));
        self.push(members, Action::Members(change));
        Ok(())
    }
}

fn member_mutability() -> Error {
    Error::mutability("a member is added or removed as a whole, its parts do not change")
}

/// The ids, where a filter asks for members by nothing but their id.
fn ids(filter: &Filter) -> Option<Vec<String>> {
    match filter {
        Filter::Compare(comparison)
            if comparison.operator == Operator::Equal && comparison.path.sub() == Some("value") =>
        {
            match &comparison.value {
                Operand::Text(id) => Some(vec![id.clone()]),
                _ => None,
            }
        }
        Filter::Or(filters) => {
            let ids: Option<Vec<Vec<String>>> = filters.iter().map(ids).collect();
            ids.map(|ids| ids.concat())
        }
        _ => None,
    }
}
