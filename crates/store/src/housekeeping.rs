use std::time::Duration;

use crate::{ActiveHour, Result, WriteTx, query::query};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Rows that one pass takes from one table, so that no writer waits for long.
const ROWS_AT_ONCE: i64 = 2000;

impl WriteTx {
    /// Removes rows that can no longer matter to anybody; true when there is more to do.
    ///
    /// Nothing here decides whether a credential is good: expired rows are refused long before they are removed.
    pub async fn remove_outdated(&mut self) -> Result<bool> {
        let now = self.now();
        let expired = now.micros();
        // Refresh tokens and sign-ins stay a day longer, so that a late reuse is still recognised as one.
        let day_ago = now.before(DAY).micros();
        // An hour is more than any two nodes' clocks differ: a message is forgotten only when every node refuses it as too old.
        let hour_ago = now.before(HOUR).micros();
        let passes: &[(&'static str, i64)] = &[
            ("DELETE FROM pending_logins WHERE handle_hash IN (SELECT handle_hash FROM pending_logins WHERE expires_at < $1 LIMIT $2)", expired),
            ("DELETE FROM login_answers WHERE hash IN (SELECT hash FROM login_answers WHERE expires_at < $1 LIMIT $2)", hour_ago),
            ("DELETE FROM break_glass_links WHERE hash IN (SELECT hash FROM break_glass_links WHERE expires_at < $1 LIMIT $2)", hour_ago),
            ("DELETE FROM upstream_logouts WHERE handle_hash IN (SELECT handle_hash FROM upstream_logouts WHERE expires_at < $1 LIMIT $2)", hour_ago),
            (
                "DELETE FROM upstream_endings WHERE (connection_id, name) IN (
                   SELECT connection_id, name FROM upstream_endings WHERE expires_at < $1 LIMIT $2)",
                hour_ago,
            ),
            ("DELETE FROM logout_hints WHERE user_session_id IN (SELECT user_session_id FROM logout_hints WHERE expires_at < $1 LIMIT $2)", expired),
            (
                "DELETE FROM seen_assertions WHERE (connection_id, message_id) IN (
                   SELECT connection_id, message_id FROM seen_assertions WHERE expires_at < $1 LIMIT $2)",
                hour_ago,
            ),
            (
                "DELETE FROM seen_client_assertions WHERE (client_id, jti) IN (
                   SELECT client_id, jti FROM seen_client_assertions WHERE expires_at < $1 LIMIT $2)",
                hour_ago,
            ),
            (
                "DELETE FROM directory_departures WHERE (directory_id, user_id) IN (
                   SELECT directory_id, user_id FROM directory_departures WHERE created_at < $1 LIMIT $2)",
                hour_ago,
            ),
            (
                "DELETE FROM directory_activity WHERE (directory_id, hour) IN (
                   SELECT directory_id, hour FROM directory_activity WHERE hour < $1 LIMIT $2)",
                ActiveHour::of(now.before(30 * DAY)),
            ),
            ("DELETE FROM directory_access_tokens WHERE hash IN (SELECT hash FROM directory_access_tokens WHERE expires_at < $1 LIMIT $2)", hour_ago),
            ("DELETE FROM pushed_requests WHERE hash IN (SELECT hash FROM pushed_requests WHERE expires_at < $1 LIMIT $2)", expired),
            ("DELETE FROM codes WHERE hash IN (SELECT hash FROM codes WHERE expires_at < $1 LIMIT $2)", day_ago),
            ("DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE expires_at < $1 LIMIT $2)", day_ago),
            ("DELETE FROM app_sessions WHERE id IN (SELECT id FROM app_sessions WHERE expires_at < $1 LIMIT $2)", day_ago),
            (
                "DELETE FROM user_sessions WHERE id IN (SELECT s.id FROM user_sessions s WHERE s.expires_at < $1
                 AND NOT EXISTS (SELECT 1 FROM app_sessions a WHERE a.user_session_id = s.id) LIMIT $2)",
                day_ago,
            ),
            ("DELETE FROM idempotency WHERE key_hash IN (SELECT key_hash FROM idempotency WHERE expires_at < $1 LIMIT $2)", expired),
            ("DELETE FROM page_states WHERE hash IN (SELECT hash FROM page_states WHERE expires_at < $1 LIMIT $2)", expired),
            ("DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE created_at < $1 LIMIT $2)", now.before(30 * DAY).micros()),
            (
                "DELETE FROM provisioning_log WHERE id IN (SELECT id FROM provisioning_log WHERE created_at < $1 LIMIT $2)",
                now.before(30 * DAY).micros(),
            ),
            ("DELETE FROM events WHERE id IN (SELECT id FROM events WHERE created_at < $1 AND position IS NOT NULL LIMIT $2)", now.before(90 * DAY).micros()),
            (
                "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE created_at < $1 AND (done_at IS NOT NULL OR dead_at IS NOT NULL) LIMIT $2)",
                now.before(30 * DAY).micros(),
            ),
            (
                "DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE created_at < $1 LIMIT $2)",
                now.before(30 * DAY).micros(),
            ),
            (
                "DELETE FROM destinations WHERE (kind, id) IN (SELECT kind, id FROM destinations WHERE failed_at < $1 LIMIT $2)",
                now.before(30 * DAY).micros(),
            ),
            (
                "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE created_at < $1 LIMIT $2)",
                now.before(365 * DAY).micros(),
            ),
            (
                "DELETE FROM offboarding_applications WHERE offboarding_id IN (
                   SELECT id FROM offboardings WHERE started_at < $1 AND completed_at IS NOT NULL ORDER BY started_at, id LIMIT $2)",
                now.before(365 * DAY).micros(),
            ),
            ("DELETE FROM stream_tokens WHERE hash IN (SELECT hash FROM stream_tokens WHERE expires_at < $1 ORDER BY expires_at, hash LIMIT $2)", hour_ago),
            (
                "DELETE FROM stream_events WHERE id IN (SELECT id FROM stream_events WHERE created_at < $1 ORDER BY created_at, id LIMIT $2)",
                now.before(30 * DAY).micros(),
            ),
            (
                "DELETE FROM received_signals WHERE id IN (SELECT id FROM received_signals WHERE created_at < $1 ORDER BY created_at, id LIMIT $2)",
                now.before(90 * DAY).micros(),
            ),
            (
                "DELETE FROM offboardings WHERE id IN (SELECT id FROM offboardings WHERE started_at < $1 AND completed_at IS NOT NULL ORDER BY started_at, id LIMIT $2)",
                now.before(365 * DAY).micros(),
            ),
        ];
        self.remove_in_passes(passes).await
    }

    async fn remove_in_passes(&mut self, passes: &[(&'static str, i64)]) -> Result<bool> {
        let mut more = false;
        for &(sql, limit_time) in passes {
            let removed = query(sql)
                .long()
                .bind(limit_time)
                .bind(ROWS_AT_ONCE)
                .execute(self)
                .await?;
            more |= i64::try_from(removed).is_ok_and(|removed| removed == ROWS_AT_ONCE);
        }
        Ok(more)
    }
}
