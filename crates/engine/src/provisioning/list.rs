use std::cmp::Ordering;

use serde_json::{Map, Value, json};
use vestibule_core::{GroupId, UserId};
use vestibule_scim::{
    After, Error, Filter, Load, Order, Page, Query, ResourceType, Sort, Stored, Wanted,
    evaluate::{compare_documents, matches},
};
use vestibule_store::{
    Direction, GroupQuery, ListOrder, Reach, ReadTx, Slice, UserCondition, UserQuery,
};

use super::{
    Grant, Provisioning, lists, plan, record,
    trouble::Trouble,
    walks::{Bookmark, Place},
};

/// Resources that are read at most to answer one question; beyond it the client has to narrow it down.
const BUDGET: u64 = 100_000;
/// Comparisons in a filter that may be evaluated for all of those; of one with more fewer resources are read.
const TERMS: u64 = 32;
/// Resources that are read at once.
const CHUNK: i64 = 500;

/// The resources among which a question looks.
enum Source {
    Users(UserQuery),
    Groups(GroupQuery),
}

/// A question: what is looked for, and whether every find has to be evaluated.
struct Question<'q> {
    grant: &'q Grant,
    kind: ResourceType,
    source: Source,
    filter: Option<&'q Filter>,
    order: Option<ListOrder>,
}

impl Provisioning {
    pub(super) async fn page(
        &self,
        grant: &Grant,
        kind: ResourceType,
        query: &Query,
    ) -> Result<Page, Trouble> {
        let Some(question) = question(grant, kind, query) else {
            return Ok(Page::new(0, Vec::new()));
        };
        let now = self.now();
        let mut tx = self.store().read(now).await?;
        let place = Place::of(grant.directory.id, kind, query);
        let known = place
            .as_ref()
            .filter(|_| query.count > 0)
            .and_then(|place| self.walks.find(place, now));
        let (total, mut page) = match known {
            Some(bookmark) => question.go_on(&mut tx, bookmark, query).await?,
            None => question.begin(&mut tx, query).await?,
        };
        lists::load_page(&mut tx, kind, &mut page, query.wanted).await?;
        let (read, last) = (count(page.len()), page.last());
        if let (Some(place), Some(last)) = (place, last)
            && query.start_index.max(1).saturating_add(read) <= total
        {
            self.walks.note(place, read, last.id.clone(), total, now);
        }
        Ok(Page::new(total, page))
    }

    /// A page of a walk by cursor. In the order of ids the position is the last id, else the index of the page's first
    /// resource. Only the first page counts all that match.
    pub(super) async fn page_after(
        &self,
        grant: &Grant,
        kind: ResourceType,
        query: &Query,
        after: &After,
    ) -> Result<Page, Trouble> {
        let invalid = || Error::invalid_cursor("the cursor is not one of this directory");
        let by_id = query.sort.is_none();
        let position = match after {
            After::Start => None,
            After::Position(position) => Some(position.as_str()),
        };
        match position {
            Some(after) if by_id => {
                let is_id = match kind {
                    ResourceType::User => after.parse::<UserId>().is_ok(),
                    ResourceType::Group => after.parse::<GroupId>().is_ok(),
                };
                if !is_id {
                    return Err(invalid().into());
                }
                let Some(question) = question(grant, kind, query) else {
                    return Ok(Page::uncounted(Vec::new()));
                };
                let mut tx = self.store().read(self.now()).await?;
                // One more tells whether there is another page.
                let most = usize::try_from(query.count).unwrap_or(usize::MAX);
                let mut page = question
                    .next(&mut tx, after.to_owned(), most.saturating_add(1))
                    .await?;
                let more = page.len() > most;
                page.truncate(most);
                let wanted = page.len();
                lists::load_page(&mut tx, kind, &mut page, query.wanted).await?;
                let more = more || page.len() < wanted;
                let next = page.last().filter(|_| more).map(|last| last.id.clone());
                Ok(Page::uncounted(page).with_next(next))
            }
            _ => {
                let mut by_index = query.clone();
                by_index.after = None;
                by_index.start_index = match position {
                    None => 1,
                    Some(index) => index
                        .strip_prefix('i')
                        .and_then(|index| index.parse().ok())
                        .filter(|index| *index > 1)
                        .ok_or_else(invalid)?,
                };
                let page = self.page(grant, kind, &by_index).await?;
                let behind = by_index
                    .start_index
                    .saturating_add(count(page.resources.len()));
                let more = page.total.is_some_and(|total| behind <= total);
                let next = match page.resources.last() {
                    Some(last) if by_id => Some(last.id.clone()),
                    Some(_) => Some(format!("i{behind}")),
                    None => None,
                };
                Ok(page.with_next(next.filter(|_| more)))
            }
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl Question<'_> {
    /// Answers from the start: counts, and finds the page by its index.
    async fn begin(&self, tx: &mut ReadTx, query: &Query) -> Result<(u64, Vec<Stored>), Trouble> {
        if let (None, Some(order)) = (self.filter, self.order) {
            let page = self.source.slice(tx, order, query).await?;
            // A page that is not full says itself how many there are.
            let read = count(page.len());
            let total = match query.start_index.max(1) {
                first if query.count > 0 && read < query.count && (read > 0 || first == 1) => {
                    first.saturating_sub(1).saturating_add(read)
                }
                _ => self.source.count(tx).await?,
            };
            return Ok((total, page));
        }
        if self.source.count(tx).await? > budget(self.filter) {
            return Err(Error::too_many(
                "the query would have to look at too many resources; narrow it with an indexed attribute",
            )
            .into());
        }
        self.scan(query).run(tx, query).await
    }

    /// Goes on behind the page before; the total is counted again where the list seems to end.
    async fn go_on(
        &self,
        tx: &mut ReadTx,
        bookmark: Bookmark,
        query: &Query,
    ) -> Result<(u64, Vec<Stored>), Trouble> {
        let most = usize::try_from(query.count).unwrap_or(usize::MAX);
        let page = self.next(tx, bookmark.after, most).await?;
        let behind = query.start_index.saturating_add(count(page.len()));
        let total = if page.len() < most {
            behind.saturating_sub(1)
        } else if behind > bookmark.total && self.filter.is_none() {
            self.source.count(tx).await?.max(behind.saturating_sub(1))
        } else {
            bookmark.total.max(behind.saturating_sub(1))
        };
        Ok((total, page))
    }

    /// The next resources by id, at most so many.
    async fn next(
        &self,
        tx: &mut ReadTx,
        after: String,
        most: usize,
    ) -> Result<Vec<Stored>, Trouble> {
        let Some(filter) = self.filter else {
            let limit = i64::try_from(most).unwrap_or(i64::MAX);
            return self.source.after(tx, Some(&after), limit).await;
        };
        let registry = &self.grant.profile.registry;
        let schema = registry.of(self.kind);
        let needed = needed(Some(filter), None);
        let (mut page, mut after, mut examined) = (Vec::new(), after, 0);
        while page.len() < most {
            let mut chunk = self.source.after(tx, Some(&after), CHUNK).await?;
            let Some(last) = chunk.last() else { break };
            after.clone_from(&last.id);
            examined += count(chunk.len());
            check_budget(examined, budget(self.filter))?;
            lists::load(tx, self.kind, &mut chunk, needed).await?;
            let found = chunk
                .into_iter()
                .filter(|stored| matches(filter, &stored.document(schema, &self.grant.base)));
            page.extend(found.take(most - page.len()));
            tokio::task::yield_now().await;
        }
        Ok(page)
    }

    fn scan<'s>(&'s self, query: &'s Query) -> Scan<'s> {
        let by_id = Some(ListOrder::Id(Direction::Ascending));
        Scan {
            grant: self.grant,
            kind: self.kind,
            source: &self.source,
            filter: self.filter,
            sort: query.sort.as_ref().filter(|_| self.order != by_id),
        }
    }
}

/// How many resources a filter may be evaluated for.
fn budget(filter: Option<&Filter>) -> u64 {
    let terms = filter.map_or(1, Filter::cost).max(TERMS);
    BUDGET.saturating_mul(TERMS) / terms
}

fn check_budget(examined: u64, budget: u64) -> Result<(), Trouble> {
    if examined > budget + u64::try_from(CHUNK).unwrap_or(0) {
        return Err(Error::too_many("the query looks at too many resources").into());
    }
    Ok(())
}

/// What a query asks; none where nothing can match.
fn question<'q>(grant: &'q Grant, kind: ResourceType, query: &'q Query) -> Option<Question<'q>> {
    let (organization_id, directory_id) = (grant.directory.organization_id, grant.directory.id);
    let filter = query.filter.as_ref();
    let (source, evaluate) = match kind {
        ResourceType::User => {
            let plan = plan::users(filter, &grant.settings.indexed_attributes)?;
            let names_one = plan.conditions.iter().any(|condition| {
                matches!(condition, UserCondition::UserName(_) | UserCondition::Id(_))
            });
            let reach = if names_one {
                grant.reach()
            } else {
                Reach::Owned
            };
            let query = UserQuery {
                organization_id,
                directory_id,
                reach,
                conditions: plan.conditions,
            };
            (Source::Users(query), plan.evaluate)
        }
        ResourceType::Group => {
            let plan = plan::groups(filter)?;
            let query = GroupQuery {
                organization_id,
                directory_id,
                conditions: plan.conditions,
            };
            (Source::Groups(query), plan.evaluate)
        }
    };
    Some(Question {
        grant,
        kind,
        source,
        filter: filter.filter(|_| evaluate),
        order: order(kind, query.sort.as_ref()),
    })
}

/// The order that an index holds, if one does; without a wish it is that of creation.
fn order(kind: ResourceType, sort: Option<&Sort>) -> Option<ListOrder> {
    let Some(sort) = sort else {
        return Some(ListOrder::Id(Direction::Ascending));
    };
    let direction = match sort.order {
        Order::Ascending => Direction::Ascending,
        Order::Descending => Direction::Descending,
    };
    match sort.by.to_string().as_str() {
        "id" => Some(ListOrder::Id(direction)),
        "meta.lastModified" => Some(ListOrder::Updated(direction)),
        name if name == plan::name_of(kind) => Some(ListOrder::Name(direction)),
        _ => None,
    }
}

impl Source {
    async fn count(&self, tx: &mut ReadTx) -> Result<u64, Trouble> {
        Ok(match self {
            Self::Users(query) => tx.count_directory_users(query).await?,
            Self::Groups(query) => tx.count_groups(query).await?,
        })
    }

    async fn slice(
        &self,
        tx: &mut ReadTx,
        order: ListOrder,
        query: &Query,
    ) -> Result<Vec<Stored>, Trouble> {
        if query.count == 0 {
            return Ok(Vec::new());
        }
        let slice = Slice {
            order,
            offset: i64::try_from(query.start_index.saturating_sub(1)).unwrap_or(i64::MAX),
            limit: i64::try_from(query.count).unwrap_or(i64::MAX),
        };
        match self {
            Self::Users(query) => {
                let users = tx.list_directory_users(query, slice).await?;
                users.into_iter().map(record::stored_user).collect()
            }
            Self::Groups(query) => {
                let groups = tx.list_groups(query, slice).await?;
                groups.into_iter().map(record::stored_group).collect()
            }
        }
    }

    /// The next resources by id.
    async fn after(
        &self,
        tx: &mut ReadTx,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Stored>, Trouble> {
        match self {
            Self::Users(query) => {
                let after = after.and_then(|id| id.parse().ok());
                let users = tx.list_directory_users_after(query, after, limit).await?;
                users.into_iter().map(record::stored_user).collect()
            }
            Self::Groups(query) => {
                let after = after.and_then(|id| id.parse().ok());
                let groups = tx.list_groups_after(query, after, limit).await?;
                groups.into_iter().map(record::stored_group).collect()
            }
        }
    }

    async fn named(&self, tx: &mut ReadTx, ids: &[String]) -> Result<Vec<Stored>, Trouble> {
        match self {
            Self::Users(query) => {
                let ids: Vec<UserId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
                let users = tx.list_directory_users_by_id(query, &ids).await?;
                users.into_iter().map(record::stored_user).collect()
            }
            Self::Groups(query) => {
                let ids: Vec<GroupId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
                let groups = tx.list_groups_by_id(query, &ids).await?;
                groups.into_iter().map(record::stored_group).collect()
            }
        }
    }
}

/// A walk over all resources that the store finds, in chunks by id.
struct Scan<'s> {
    grant: &'s Grant,
    kind: ResourceType,
    source: &'s Source,
    filter: Option<&'s Filter>,
    sort: Option<&'s Sort>,
}

impl Scan<'_> {
    /// How many match, and the wanted page of them. Of the others at most their sort keys are kept.
    async fn run(&self, tx: &mut ReadTx, query: &Query) -> Result<(u64, Vec<Stored>), Trouble> {
        let registry = &self.grant.profile.registry;
        let schema = registry.of(self.kind);
        let first = query.start_index.max(1);
        let behind = first.saturating_add(query.count);
        let (mut total, mut page, mut keys) = (0_u64, Vec::new(), Vec::new());
        let (mut examined, mut after) = (0_u64, None);
        loop {
            let mut chunk = self.source.after(tx, after.as_deref(), CHUNK).await?;
            let Some(last) = chunk.last() else { break };
            after = Some(last.id.clone());
            examined += count(chunk.len());
            check_budget(examined, budget(self.filter))?;
            lists::load(tx, self.kind, &mut chunk, needed(self.filter, self.sort)).await?;
            for stored in chunk {
                let document = stored.document(schema, &self.grant.base);
                if !self.filter.is_none_or(|filter| matches(filter, &document)) {
                    continue;
                }
                total += 1;
                match self.sort {
                    Some(sort) if query.count > 0 => {
                        keys.push((sort_key(sort, document), stored.id));
                    }
                    None if (first..behind).contains(&total) => page.push(stored),
                    _ => {}
                }
            }
            // Other requests of this thread have their turn between two chunks.
            tokio::task::yield_now().await;
        }
        if let Some(sort) = self.sort {
            page = self.sorted_page(tx, sort, keys, query).await?;
        }
        Ok((total, page))
    }

    async fn sorted_page(
        &self,
        tx: &mut ReadTx,
        sort: &Sort,
        mut keys: Vec<(Map<String, Value>, String)>,
        query: &Query,
    ) -> Result<Vec<Stored>, Trouble> {
        keys.sort_by(|(left, left_id), (right, right_id)| {
            match compare_documents(sort, left, right) {
                Ordering::Equal => left_id.cmp(right_id),
                unequal => unequal,
            }
        });
        let skip = usize::try_from(query.start_index.saturating_sub(1)).unwrap_or(usize::MAX);
        let count = usize::try_from(query.count).unwrap_or(usize::MAX);
        let ids: Vec<String> = keys
            .into_iter()
            .skip(skip)
            .take(count)
            .map(|(_, id)| id)
            .collect();
        let mut found: std::collections::HashMap<String, Stored> = self
            .source
            .named(tx, &ids)
            .await?
            .into_iter()
            .map(|stored| (stored.id.clone(), stored))
            .collect();
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }
}

/// The lists that a filter and an order read.
fn needed(filter: Option<&Filter>, sort: Option<&Sort>) -> Wanted {
    let reads = |name: &str| {
        filter.is_some_and(|filter| filter.reads(name))
            || sort.is_some_and(|sort| sort.by.extension().is_none() && sort.by.name() == name)
    };
    let load = |name: &str| match reads(name) {
        true => Load::Everything,
        false => Load::Nothing,
    };
    let mut needed = Wanted::NOTHING;
    needed.members = load("members");
    needed.groups = load("groups");
    needed
}

/// The one attribute that the order reads, so that whole documents need not be kept.
fn sort_key(sort: &Sort, mut document: Map<String, Value>) -> Map<String, Value> {
    let mut key = Map::new();
    let name = sort.by.name();
    let value = match sort.by.extension() {
        None => document.remove(name),
        Some(urn) => document
            .remove(urn)
            .and_then(|mut object| object.get_mut(name).map(Value::take))
            .map(|value| json!({ name: value })),
    };
    if let Some(value) = value {
        key.insert(sort.by.extension().unwrap_or(name).to_owned(), value);
    }
    key
}

#[cfg(test)]
mod tests {
    use vestibule_scim::Registry;

    use super::*;

    #[test]
    fn filter_of_many_terms_is_evaluated_for_fewer_resources() {
        let registry = Registry::standard();
        let of = |terms: usize| {
            let text = vec!["title co \"x\""; terms].join(" or ");
            budget(
                Filter::parse(&text, registry.of(ResourceType::User))
                    .ok()
                    .as_ref(),
            )
        };
        assert_eq!([budget(None), of(1), of(32)], [BUDGET; 3]);
        assert_eq!([of(64), of(256)], [50_000, 12_500]);
    }
}
