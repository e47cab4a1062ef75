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

use super::{Grant, Provisioning, lists, plan, record, trouble::Trouble};

/// Resources that are read at most to answer one question; beyond it the client has to narrow it down.
const BUDGET: u64 = 100_000;
/// Resources that are read at once.
const CHUNK: i64 = 500;

/// The resources among which a question looks.
enum Source {
    Users(UserQuery),
    Groups(GroupQuery),
}

/// A question: what is looked for, and whether every find has to be evaluated.
struct Question<'q> {
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
        let mut tx = self.store().read(self.now()).await?;
        let total = question.source.count(&mut tx).await?;
        let (total, mut page) = match (question.filter, question.order) {
            (None, Some(order)) => (total, question.source.slice(&mut tx, order, query).await?),
            _ if total > BUDGET => {
                return Err(Error::too_many(
                    "the query would have to look at too many resources; narrow it with an indexed attribute",
                )
                .into());
            }
            (filter, _) => {
                let scan = Scan {
                    grant,
                    kind,
                    source: &question.source,
                    filter,
                    sort: query
                        .sort
                        .as_ref()
                        .filter(|_| question.order != Some(ListOrder::Id(Direction::Ascending))),
                };
                scan.run(&mut tx, query).await?
            }
        };
        lists::load(&mut tx, kind, &mut page, query.wanted).await?;
        Ok(Page::new(total, page))
    }
}

impl Provisioning {
    /// A page of a walk by cursor. The position is the index of the page's first resource.
    pub(super) async fn page_after(
        &self,
        grant: &Grant,
        kind: ResourceType,
        query: &Query,
        after: &After,
    ) -> Result<Page, Trouble> {
        let start = match after {
            After::Start => 1,
            After::Position(position) => position
                .strip_prefix('i')
                .and_then(|index| index.parse().ok())
                .filter(|index| *index > 1)
                .ok_or_else(|| Error::invalid_cursor("the cursor is not one of this directory"))?,
        };
        let mut by_index = query.clone();
        by_index.after = None;
        by_index.start_index = start;
        let page = self.page(grant, kind, &by_index).await?;
        let behind = start.saturating_add(u64::try_from(page.resources.len()).unwrap_or(u64::MAX));
        let more = page.total.is_some_and(|total| behind <= total);
        Ok(page.with_next(more.then(|| format!("i{behind}"))))
    }
}

/// What a query asks; none where nothing can match.
fn question<'q>(grant: &Grant, kind: ResourceType, query: &'q Query) -> Option<Question<'q>> {
    let (organization_id, directory_id) = (grant.directory.organization_id, grant.directory.id);
    let filter = query.filter.as_ref();
    let (source, evaluate) = match kind {
        ResourceType::User => {
            let plan = plan::users(filter)?;
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
                users.iter().map(record::stored_user).collect()
            }
            Self::Groups(query) => {
                let groups = tx.list_groups(query, slice).await?;
                groups.iter().map(record::stored_group).collect()
            }
        }
    }

    /// The next resources by id.
    async fn after(&self, tx: &mut ReadTx, after: Option<&str>) -> Result<Vec<Stored>, Trouble> {
        match self {
            Self::Users(query) => {
                let after = after.and_then(|id| id.parse().ok());
                let users = tx.list_directory_users_after(query, after, CHUNK).await?;
                users.iter().map(record::stored_user).collect()
            }
            Self::Groups(query) => {
                let after = after.and_then(|id| id.parse().ok());
                let groups = tx.list_groups_after(query, after, CHUNK).await?;
                groups.iter().map(record::stored_group).collect()
            }
        }
    }

    async fn named(&self, tx: &mut ReadTx, ids: &[String]) -> Result<Vec<Stored>, Trouble> {
        match self {
            Self::Users(query) => {
                let ids: Vec<UserId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
                let users = tx.list_directory_users_by_id(query, &ids).await?;
                users.iter().map(record::stored_user).collect()
            }
            Self::Groups(query) => {
                let ids: Vec<GroupId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
                let groups = tx.list_groups_by_id(query, &ids).await?;
                groups.iter().map(record::stored_group).collect()
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
            let mut chunk = self.source.after(tx, after.as_deref()).await?;
            let Some(last) = chunk.last() else { break };
            after = Some(last.id.clone());
            examined += u64::try_from(chunk.len()).unwrap_or(BUDGET);
            if examined > BUDGET + u64::try_from(CHUNK).unwrap_or(0) {
                return Err(Error::too_many("the query looks at too many resources").into());
            }
            lists::load(tx, self.kind, &mut chunk, self.needed()).await?;
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
        }
        if let Some(sort) = self.sort {
            page = self.sorted_page(tx, sort, keys, query).await?;
        }
        Ok((total, page))
    }

    /// The lists that the filter and the order read.
    fn needed(&self) -> Wanted {
        let reads = |name: &str| {
            self.filter.is_some_and(|filter| filter.reads(name))
                || self
                    .sort
                    .is_some_and(|sort| sort.by.extension().is_none() && sort.by.name() == name)
        };
        let load = |name: &str| {
            if reads(name) {
                Load::Everything
            } else {
                Load::Nothing
            }
        };
        let mut needed = Wanted::NOTHING;
        needed.members = load("members");
        needed.groups = load("groups");
        needed
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
