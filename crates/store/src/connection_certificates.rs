//! The certificates of an identity provider that a connection trusts.

use vestibule_core::{ConnectionId, OrganizationId, Timestamp};

use crate::{ReadTx, Result, WriteTx, query::query};

words! {
    /// Where a pinned certificate came from.
    CertificateSource {
        /// A person gave it.
        Operator "operator",
        /// The identity provider's metadata held it.
        Metadata "metadata",
    }
}

/// A pinned certificate; its key is trusted, also after the certificate has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionCertificate {
    /// The connection that trusts it.
    pub connection_id: ConnectionId,
    /// SHA-256 of the certificate in hexadecimal; inside a connection it is unique.
    pub fingerprint: String,
    /// The organization of the connection.
    pub organization_id: OrganizationId,
    /// The certificate.
    pub pem: String,
    /// When it ends.
    pub not_after: Timestamp,
    /// Where it came from.
    pub source: CertificateSource,
    /// When it was pinned.
    pub added_at: Timestamp,
    /// The fewest days before its end at which somebody was warned.
    pub warned_days: Option<i64>,
}

macro_rules! columns {
    () => {
        "t.connection_id, t.fingerprint, t.organization_id, t.pem, t.not_after, t.source, t.added_at, t.warned_days"
    };
}

from_row!(ConnectionCertificate, row => ConnectionCertificate {
    connection_id: row.id("connection_id")?,
    fingerprint: row.get("fingerprint")?,
    organization_id: row.id("organization_id")?,
    pem: row.get("pem")?,
    not_after: row.time("not_after")?,
    source: row.word("source")?,
    added_at: row.time("added_at")?,
    warned_days: row.get("warned_days")?,
});

impl ReadTx {
    /// The certificates that a connection trusts, the oldest first.
    pub async fn list_connection_certificates(
        &mut self,
        connection_id: ConnectionId,
    ) -> Result<Vec<ConnectionCertificate>> {
        query(concat!(
            "SELECT ", columns!(), " FROM connection_certificates t WHERE t.connection_id = $1 ORDER BY t.added_at, t.fingerprint LIMIT 1000"))
            .bind(connection_id.to_string())
            .fetch_all(self)
            .await
    }

    /// Certificates of connections in use that end before an instant, the soonest first, and of which nobody was warned
    /// at so few days before; each that is then [marked](WriteTx::set_certificate_warned) makes room for the next.
    pub async fn list_expiring_certificates(
        &mut self,
        before: Timestamp,
        days: i64,
        limit: i64,
    ) -> Result<Vec<ConnectionCertificate>> {
        query(concat!(
            "SELECT ", columns!(), " FROM connection_certificates t
             JOIN connections n ON n.id = t.connection_id AND n.state = 'active' AND n.deleted_at IS NULL
             JOIN organizations o ON o.id = t.organization_id AND o.active AND o.deleted_at IS NULL
             WHERE t.not_after < $1 AND (t.warned_days IS NULL OR t.warned_days > $2)
             ORDER BY t.not_after, t.connection_id, t.fingerprint LIMIT $3"))
            .bind(before.micros())
            .bind(days)
            .bind(limit)
            .fetch_all(self)
            .await
    }

    /// The fingerprints of the certificates that a person removed from a connection and nobody added again.
    pub async fn list_removed_certificates(
        &mut self,
        connection_id: ConnectionId,
    ) -> Result<Vec<String>> {
        query(
            "SELECT fingerprint FROM removed_certificates WHERE connection_id = $1 ORDER BY removed_at, fingerprint")
            .bind(connection_id.to_string())
            .fetch_all(self)
            .await
    }
}

impl WriteTx {
    /// Pins a certificate; false when the connection trusts it already, and then nothing changes.
    ///
    /// That it was removed once is forgotten: whoever takes certificates from metadata asks
    /// [first](ReadTx::list_removed_certificates).
    pub async fn add_connection_certificate(
        &mut self,
        certificate: &ConnectionCertificate,
    ) -> Result<bool> {
        query("DELETE FROM removed_certificates WHERE connection_id = $1 AND fingerprint = $2")
            .bind(certificate.connection_id.to_string())
            .bind(&certificate.fingerprint)
            .execute(self)
            .await?;
        let added = query(
            "INSERT INTO connection_certificates (connection_id, fingerprint, organization_id, pem, not_after, source, added_at, warned_days)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING")
            .bind(certificate.connection_id.to_string())
            .bind(&certificate.fingerprint)
            .bind(certificate.organization_id.to_string())
            .bind(&certificate.pem)
            .bind(certificate.not_after.micros())
            .bind(certificate.source.as_str())
            .bind(certificate.added_at.micros())
            .bind(certificate.warned_days)
            .execute(self)
            .await?;
        Ok(added == 1)
    }

    /// Removes a certificate from those that a connection trusts, and remembers that; false when it was none of them.
    ///
    /// Whoever takes away trust ends the connection's credentials beside it.
    pub async fn delete_connection_certificate(
        &mut self,
        connection_id: ConnectionId,
        fingerprint: &str,
    ) -> Result<bool> {
        let now = self.now().micros();
        query(
            "INSERT INTO removed_certificates (connection_id, fingerprint, organization_id, removed_at)
             SELECT connection_id, fingerprint, organization_id, $3 FROM connection_certificates
             WHERE connection_id = $1 AND fingerprint = $2 ON CONFLICT DO NOTHING")
            .bind(connection_id.to_string())
            .bind(fingerprint)
            .bind(now)
            .execute(self)
            .await?;
        let removed = query(
            "DELETE FROM connection_certificates WHERE connection_id = $1 AND fingerprint = $2",
        )
        .bind(connection_id.to_string())
        .bind(fingerprint)
        .execute(self)
        .await?;
        Ok(removed == 1)
    }

    /// Notes that somebody is warned so many days before a certificate's end; true for exactly one caller.
    pub async fn set_certificate_warned(
        &mut self,
        connection_id: ConnectionId,
        fingerprint: &str,
        days: i64,
    ) -> Result<bool> {
        let warned = query(
            "UPDATE connection_certificates SET warned_days = $3
             WHERE connection_id = $1 AND fingerprint = $2 AND (warned_days IS NULL OR warned_days > $3)")
            .bind(connection_id.to_string())
            .bind(fingerprint)
            .bind(days)
            .execute(self)
            .await?;
        Ok(warned == 1)
    }
}
