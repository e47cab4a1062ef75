//! Whether a directory's `externalId` can be what a connection joins people by.

use std::collections::HashMap;

use vestibule_core::{DirectoryId, OrganizationId};
use vestibule_store::{Connection, Directory, ExternalIdSample, ReadTx};

use crate::admin::Result;

/// Claims that never hold a name or an address: an `externalId` that is one cannot equal them.
const LASTING: [&str; 3] = ["sub", "oid", "name_id"];

/// Why people of a directory will not be found by their `externalId`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIdFinding {
    /// `absent`, `equals_user_name` or `equals_email`.
    pub code: &'static str,
    /// What was seen, and what to change at the identity provider.
    pub detail: String,
}

/// A directory as admins see it.
#[derive(Debug, Clone)]
pub struct DirectoryDetails {
    /// The directory.
    pub directory: Directory,
    /// What speaks against its `externalId`, where a connection joins by it.
    pub external_id_finding: Option<ExternalIdFinding>,
}

/// Directories of one organization, with what speaks against their `externalId`.
pub(super) async fn detailed(
    tx: &mut ReadTx,
    organization_id: OrganizationId,
    directories: Vec<Directory>,
) -> Result<Vec<DirectoryDetails>> {
    let connections = tx.list_connections(organization_id).await?;
    let alone = directories.len() == 1;
    let claims: HashMap<DirectoryId, &str> = directories
        .iter()
        .filter_map(|directory| {
            let claim = connections
                .iter()
                .find_map(|connection| claim_of(connection, directory.id, alone))?;
            Some((directory.id, claim))
        })
        .collect();
    let joined: Vec<DirectoryId> = claims.keys().copied().collect();
    let mut samples: HashMap<DirectoryId, ExternalIdSample> = tx
        .sample_external_ids(&joined)
        .await?
        .into_iter()
        .map(|sample| (sample.directory_id, sample))
        .collect();
    Ok(directories
        .into_iter()
        .map(|directory| {
            let claim = claims.get(&directory.id);
            let sample = samples.remove(&directory.id);
            DirectoryDetails {
                external_id_finding: claim
                    .zip(sample)
                    .and_then(|(claim, sample)| finding(claim, &sample)),
                directory,
            }
        })
        .collect())
}

/// The claim that has to equal the `externalId` of a directory's people, if a connection says so.
fn claim_of(connection: &Connection, id: DirectoryId, alone: bool) -> Option<&str> {
    let brings = match connection.directory_id {
        Some(directory_id) => directory_id == id,
        None => alone,
    };
    let by_external_id = connection.join_directory.as_deref() == Some("externalId");
    connection
        .join_claim
        .as_deref()
        .filter(|_| brings && by_external_id)
}

fn finding(claim: &str, sample: &ExternalIdSample) -> Option<ExternalIdFinding> {
    let most = |count: i64| count * 2 > sample.seen;
    let lasting = LASTING.contains(&claim);
    let (code, seen) = if most(sample.absent) {
        ("absent", "the directory sends no externalId")
    } else if lasting && most(sample.user_names) {
        (
            "equals_user_name",
            "the directory sends the user name as externalId",
        )
    } else if lasting && most(sample.emails) {
        (
            "equals_email",
            "the directory sends the e-mail address as externalId",
        )
    } else {
        return None;
    };
    Some(ExternalIdFinding {
        code,
        detail: format!(
            "{seen}, and the connection finds people by an externalId that equals the claim `{claim}`; map the attribute behind that claim to externalId at the identity provider, or change `join` on the connection"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(
        claim: &str,
        seen: i64,
        [absent, user_names, emails]: [i64; 3],
    ) -> Option<&'static str> {
        let directory_id = DirectoryId::from_bytes([1; 16]);
        let sample = ExternalIdSample {
            directory_id,
            seen,
            absent,
            user_names,
            emails,
        };
        finding(claim, &sample).map(|finding| finding.code)
    }

    #[test]
    fn finding_needs_most_of_the_people_and_a_claim_that_lasts() {
        assert_eq!(code("oid", 0, [0, 0, 0]), None);
        assert_eq!(code("oid", 10, [5, 5, 0]), None);
        assert_eq!(code("oid", 10, [6, 0, 0]), Some("absent"));
        assert_eq!(code("email", 10, [6, 0, 0]), Some("absent"));
        assert_eq!(code("sub", 10, [0, 10, 10]), Some("equals_user_name"));
        assert_eq!(code("name_id", 10, [0, 1, 9]), Some("equals_email"));
        assert_eq!(code("email", 10, [0, 10, 10]), None);
    }
}
