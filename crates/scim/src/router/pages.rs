//! Lists and searches: pages by index (RFC 7644 §3.4.2.4) and by cursor (RFC 9865), of one kind or of all.

use axum::extract::Request;
use http::request::Parts;
use serde_json::{Map, Value};

use super::Call;
use super::answer::Answer;
use crate::cursor::{self, Walk};
use crate::directory::{After, Directory, Load, Page, Query, Stored};
use crate::error::Error;
use crate::evaluate::compare_documents;
use crate::filter::{Filter, Outcome};
use crate::list::{self, Parameters, Sort};
use crate::schema::ResourceType;

/// How far a sorted list of all kinds reaches: the kinds are sorted apart by the host and merged here.
const MERGED: u64 = 10_000;
const KINDS: [ResourceType; 2] = [ResourceType::User, ResourceType::Group];

impl<D: Directory> Call<'_, D> {
    pub(super) async fn list(self, kind: ResourceType, parts: &Parts) -> Result<Answer, Error> {
        let parameters = Parameters::from_query(parts.uri.query().unwrap_or_default())?;
        self.answer_list(kind, &parameters).await
    }

    pub(super) async fn search(
        mut self,
        kind: ResourceType,
        request: Request,
    ) -> Result<Answer, Error> {
        let body = self.body(request).await?;
        let parameters = Parameters::from_body(&body, self.profile.dialect)?;
        self.answer_list(kind, &parameters).await
    }

    async fn answer_list(
        self,
        kind: ResourceType,
        parameters: &Parameters,
    ) -> Result<Answer, Error> {
        let schema = self.schema(kind);
        let projection = parameters.projection(&schema);
        let mut query = parameters.page(&self.profile);
        query.sort = parameters.sort(&self.profile, &schema)?;
        query.wanted = projection.wanted(kind, Load::Everything);
        if let Some(filter) = &parameters.filter {
            let dialect = self.profile.dialect;
            query.filter = Some(Filter::parse_as(
                filter,
                &schema,
                dialect,
                &mut self.trace.repairs,
            )?);
        }
        let project = |resources: Vec<Stored>| -> Vec<_> {
            let resources = resources.into_iter();
            resources
                .map(|stored| self.project(kind, stored, &projection, &[]))
                .collect()
        };
        let Some(cursor) = &parameters.cursor else {
            let page = self.directory.list(&self.access, kind, &query).await?;
            let total = page.total.unwrap_or_default();
            let response = list::response(total, query.start_index, project(page.resources));
            return Ok(Answer::ok(response));
        };
        let filter = query.filter.as_ref().map(ToString::to_string);
        let order = query.sort.as_ref().map(order_text);
        let walk = Walk {
            directory: self.base,
            endpoint: kind.endpoint(),
            filter: filter.as_deref().unwrap_or_default(),
            order: order.as_deref().unwrap_or_default(),
        };
        query.after = Some(self.after(&walk, cursor)?);
        let page = self.directory.list(&self.access, kind, &query).await?;
        let next = self.next(&walk, page.next.as_deref())?;
        let response = list::cursor_response(page.total, next, project(page.resources));
        Ok(Answer::ok(response))
    }

    /// Where a walk stands by the cursor that the client sent.
    pub(super) fn after(&self, walk: &Walk<'_>, cursor: &str) -> Result<After, Error> {
        let Some(ttl) = self.profile.cursor_ttl else {
            return Err(Error::not_implemented(
                "this directory tells its pages by startIndex, not by cursor",
            ));
        };
        if cursor.is_empty() {
            return Ok(After::Start);
        }
        walk.read(cursor, self.directory.now(), ttl)
            .map(After::Position)
    }

    /// The cursor for the next page, if there is one.
    pub(super) fn next(
        &self,
        walk: &Walk<'_>,
        position: Option<&str>,
    ) -> Result<Option<String>, Error> {
        position
            .map(|position| walk.tell(position, self.directory.now()))
            .transpose()
    }

    pub(super) async fn list_all(self, parts: &Parts) -> Result<Answer, Error> {
        let parameters = Parameters::from_query(parts.uri.query().unwrap_or_default())?;
        self.answer_all(&parameters).await
    }

    pub(super) async fn search_all(mut self, request: Request) -> Result<Answer, Error> {
        let body = self.body(request).await?;
        let parameters = Parameters::from_body(&body, self.profile.dialect)?;
        self.answer_all(&parameters).await
    }

    /// All users, then all groups; or both in one order, where the client asks for one.
    async fn answer_all(mut self, parameters: &Parameters) -> Result<Answer, Error> {
        let is_sorted = parameters.sort_by.is_some() && self.profile.sort;
        if let Some(cursor) = &parameters.cursor {
            if is_sorted {
                return Err(Error::invalid_value(
                    "a sorted list of all kinds is told by startIndex; a cursor walks one kind, or all unsorted",
                ));
            }
            return self.walk_all(parameters, cursor).await;
        }
        if is_sorted {
            return self.merge_all(parameters).await;
        }
        let page = parameters.page(&self.profile);
        let mut resources = Vec::new();
        let mut total: u64 = 0;
        let mut is_whole = true;
        for kind in KINDS {
            // Behind a page that the host made shorter nothing may follow: the client would skip the rest.
            let room = page.count.saturating_sub(count(&resources));
            let mut query = Query::new(if is_whole { room } else { 0 });
            query.start_index = page.start_index.saturating_sub(total).max(1);
            let wanted = query.start_index.saturating_add(query.count);
            let start = query.start_index;
            let found = self.list_kind(kind, parameters, query).await?;
            let of_kind = found.total.unwrap_or_default();
            let told = start.saturating_add(found.resources.len().try_into().unwrap_or(u64::MAX));
            is_whole &= told >= wanted.min(of_kind.saturating_add(1));
            resources.extend(self.project_all(kind, parameters, found.resources));
            total = total.saturating_add(of_kind);
        }
        let response = list::response(total, page.start_index, resources);
        Ok(Answer::ok(response))
    }

    /// One page of one kind for a list of all kinds.
    async fn list_kind(
        &mut self,
        kind: ResourceType,
        parameters: &Parameters,
        mut query: Query,
    ) -> Result<Page, Error> {
        let schema = self.schema(kind);
        if let Some(filter) = &parameters.filter {
            let dialect = self.profile.dialect;
            match Filter::parse_any(filter, &schema, dialect, &mut self.trace.repairs)? {
                Outcome::Filter(filter) => query.filter = Some(filter),
                Outcome::Constant(true) => {}
                Outcome::Constant(false) => return Ok(Page::new(0, Vec::new())),
            }
        }
        let projection = parameters.projection(&schema);
        query.wanted = projection.wanted(kind, Load::Everything);
        self.directory.list(&self.access, kind, &query).await
    }

    fn project_all(
        &self,
        kind: ResourceType,
        parameters: &Parameters,
        resources: Vec<Stored>,
    ) -> Vec<Map<String, Value>> {
        let projection = parameters.projection(&self.schema(kind));
        let resources = resources.into_iter();
        resources
            .map(|stored| self.project(kind, stored, &projection, &[]))
            .collect()
    }

    /// A page by cursor of all users, then all groups. The position is that of the host behind the letter of its kind.
    async fn walk_all(mut self, parameters: &Parameters, cursor: &str) -> Result<Answer, Error> {
        let base = self.base;
        let walk = Walk {
            directory: base,
            endpoint: "",
            filter: parameters.filter.as_deref().unwrap_or_default(),
            order: "",
        };
        let mut stand = Some(match self.after(&walk, cursor)? {
            After::Start => (ResourceType::User, After::Start),
            After::Position(position) => parse_stand(&position).ok_or_else(cursor::invalid)?,
        });
        let wanted = parameters.page(&self.profile).count;
        let mut resources = Vec::new();
        while let Some((kind, after)) = stand.take() {
            let room = wanted.saturating_sub(count(&resources));
            if room == 0 {
                stand = Some((kind, after));
                break;
            }
            let mut query = Query::new(room);
            query.after = Some(after);
            let page = self.list_kind(kind, parameters, query).await?;
            resources.extend(self.project_all(kind, parameters, page.resources));
            stand = match (page.next, kind) {
                (Some(next), _) => Some((kind, After::Position(next))),
                (None, ResourceType::User) => Some((ResourceType::Group, After::Start)),
                (None, ResourceType::Group) => None,
            };
            // The host made the page shorter, or it is full; the rest comes with the next one.
            if matches!(stand, Some((_, After::Position(_)))) {
                break;
            }
        }
        let position = stand.map(|(kind, after)| print_stand(kind, &after));
        let next = self.next(&walk, position.as_deref())?;
        let response = list::cursor_response(None, next, resources);
        Ok(Answer::ok(response))
    }

    /// A page of users and groups in one order: the beginnings of both lists, merged.
    async fn merge_all(mut self, parameters: &Parameters) -> Result<Answer, Error> {
        let page = parameters.page(&self.profile);
        let behind = page
            .start_index
            .saturating_sub(1)
            .saturating_add(page.count);
        if page.count > 0 && behind > MERGED {
            return Err(Error::too_many(format!(
                "a sorted list of all kinds reaches the first {MERGED} resources; ask for one kind"
            )));
        }
        let sorts = KINDS.map(|kind| parameters.sort(&self.profile, &self.schema(kind)));
        let [of_users, of_groups] = sorts;
        let sort = match (&of_users, &of_groups) {
            (Ok(Some(sort)), _) | (_, Ok(Some(sort))) => sort.clone(),
            _ => return Err(of_users.err().unwrap_or_else(unsortable)),
        };
        let mut merged: Vec<(ResourceType, Stored, Map<String, Value>)> = Vec::new();
        let mut total: u64 = 0;
        for (kind, sort) in KINDS.into_iter().zip([of_users, of_groups]) {
            // A kind without the attribute keeps the host's own order and stands where no value stands.
            let sort = sort.unwrap_or_default();
            let schema = self.schema(kind);
            let (of_kind, found) = self.first_of(kind, parameters, sort, behind).await?;
            total = total.saturating_add(of_kind);
            for stored in found {
                let document = stored.document(&schema, self.base);
                merged.push((kind, stored, document));
            }
        }
        merged.sort_by(|(_, _, left), (_, _, right)| compare_documents(&sort, left, right));
        let skip = usize::try_from(page.start_index.saturating_sub(1)).unwrap_or(usize::MAX);
        let take = usize::try_from(page.count).unwrap_or(usize::MAX);
        let projections = KINDS.map(|kind| parameters.projection(&self.schema(kind)));
        let [users, groups] = &projections;
        let resources: Vec<_> = merged
            .into_iter()
            .skip(skip)
            .take(take)
            .map(|(kind, stored, _)| {
                let projection = match kind {
                    ResourceType::User => users,
                    ResourceType::Group => groups,
                };
                self.project(kind, stored, projection, &[])
            })
            .collect();
        let response = list::response(total, page.start_index, resources);
        Ok(Answer::ok(response))
    }

    /// The first resources of a kind, however many pages the host makes of them, and how many match in all.
    async fn first_of(
        &mut self,
        kind: ResourceType,
        parameters: &Parameters,
        sort: Option<Sort>,
        most: u64,
    ) -> Result<(u64, Vec<Stored>), Error> {
        let mut found = Vec::new();
        loop {
            let have = u64::try_from(found.len()).unwrap_or(u64::MAX);
            let mut query = Query::new(most.saturating_sub(have).min(self.profile.max_page));
            query.start_index = have.saturating_add(1);
            query.sort.clone_from(&sort);
            let count = query.count;
            let page = self.list_kind(kind, parameters, query).await?;
            let is_last = count == 0 || page.resources.is_empty();
            found.extend(page.resources);
            if is_last || u64::try_from(found.len()).unwrap_or(u64::MAX) >= most {
                return Ok((page.total.unwrap_or_default(), found));
            }
        }
    }
}

fn unsortable() -> Error {
    Error::invalid_value("sortBy names no attribute that can be sorted by")
}

fn count(resources: &[Map<String, Value>]) -> u64 {
    u64::try_from(resources.len()).unwrap_or(u64::MAX)
}

/// An order in canonical form.
pub(super) fn order_text(sort: &Sort) -> String {
    format!("{} {:?}", sort.by, sort.order)
}

fn parse_stand(position: &str) -> Option<(ResourceType, After)> {
    let (letter, position) = position.split_at_checked(1)?;
    let kind = match letter {
        "U" => ResourceType::User,
        "G" => ResourceType::Group,
        _ => return None,
    };
    let after = match position {
        "" => After::Start,
        position => After::Position(position.to_owned()),
    };
    Some((kind, after))
}

fn print_stand(kind: ResourceType, after: &After) -> String {
    let letter = match kind {
        ResourceType::User => 'U',
        ResourceType::Group => 'G',
    };
    match after {
        After::Start => letter.to_string(),
        After::Position(position) => format!("{letter}{position}"),
    }
}
