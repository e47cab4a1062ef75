//! Where readers of long lists stand, so that the next page begins behind the last one and not at the start again.
//!
//! RFC 7644 §3.4.2.4 pages by index, and a database finds an index by counting to it. Who reads page after page says
//! with each request where the last one ended; what stood there is remembered here. It is a memory of this process: who
//! asks another node, or comes back later, is answered by counting.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use vestibule_core::{DirectoryId, Timestamp};
use vestibule_scim::{Query, ResourceType};

/// Readers that are remembered at once.
const READERS: usize = 4096;
/// Longer filters are not remembered, so that this stays small.
const LONGEST_FILTER: usize = 500;
/// After so long a reader has gone away.
const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Debug, Default)]
pub(super) struct Walks(Mutex<HashMap<Place, Bookmark>>);

/// A question and the index at which its next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    directory_id: DirectoryId,
    kind: ResourceType,
    filter: Option<String>,
    start_index: u64,
}

/// What was known when the page before was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bookmark {
    /// The last resource of that page.
    pub(super) after: String,
    /// How many matched in all.
    pub(super) total: u64,
    at: Timestamp,
}

impl Place {
    /// The place of a page in the order of ids; none for a page in another order.
    pub(super) fn of(directory_id: DirectoryId, kind: ResourceType, query: &Query) -> Option<Self> {
        let filter = query.filter.as_ref().map(ToString::to_string);
        let short = filter
            .as_ref()
            .is_none_or(|filter| filter.len() <= LONGEST_FILTER);
        (query.sort.is_none() && short).then(|| Self {
            directory_id,
            kind,
            filter,
            start_index: query.start_index.max(1),
        })
    }

    fn behind(mut self, read: u64) -> Self {
        self.start_index = self.start_index.saturating_add(read);
        self
    }
}

impl Walks {
    pub(super) fn find(&self, place: &Place, now: Timestamp) -> Option<Bookmark> {
        let walks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        walks
            .get(place)
            .filter(|bookmark| now.since(bookmark.at) < PATIENCE)
            .cloned()
    }

    /// Remembers the end of a page of `read` resources that began at `place`.
    pub(super) fn note(&self, place: Place, read: u64, after: String, total: u64, now: Timestamp) {
        let mut walks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if walks.len() >= READERS {
            walks.retain(|_, bookmark| now.since(bookmark.at) < PATIENCE);
        }
        if walks.len() >= READERS {
            walks.clear();
        }
        let bookmark = Bookmark {
            after,
            total,
            at: now,
        };
        walks.insert(place.behind(read), bookmark);
    }
}

#[cfg(test)]
mod tests {
    use vestibule_core::{Generator, Timestamp};

    use super::*;

    fn query(start_index: u64) -> Query {
        let mut query = Query::new(10);
        query.start_index = start_index;
        query
    }

    #[test]
    fn a_bookmark_is_found_where_the_next_page_begins_and_nowhere_else() {
        let walks = Walks::default();
        let now = Timestamp::from_unix_seconds(1_795_305_600);
        let generator = Generator::system();
        let (directory, other): (DirectoryId, DirectoryId) = (generator.id(now), generator.id(now));
        let place = |directory, kind, start| Place::of(directory, kind, &query(start)).unwrap();
        walks.note(
            place(directory, ResourceType::User, 0),
            10,
            "usr1".to_owned(),
            25,
            now,
        );
        let next = place(directory, ResourceType::User, 11);
        let found = walks.find(&next, now).unwrap();
        assert_eq!((found.after.as_str(), found.total), ("usr1", 25));
        for elsewhere in [
            place(directory, ResourceType::User, 10),
            place(directory, ResourceType::Group, 11),
            place(other, ResourceType::User, 11),
        ] {
            assert_eq!(walks.find(&elsewhere, now), None);
        }
        assert_eq!(walks.find(&next, now.after(PATIENCE)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let walks = Walks::default();
        let now = Timestamp::from_unix_seconds(1_795_305_600);
        let directory: DirectoryId = Generator::system().id(now);
        for start in 0..3 * READERS as u64 {
            let place = Place::of(directory, ResourceType::User, &query(start)).unwrap();
            walks.note(place, 1, String::new(), 0, now);
            assert!(walks.0.lock().unwrap().len() <= READERS);
        }
    }
}
