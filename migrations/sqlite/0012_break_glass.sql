-- Accounts that no directory can claim, for the day on which the identity provider or the directory is out of order.
ALTER TABLE users ADD COLUMN break_glass INTEGER NOT NULL DEFAULT FALSE;
CREATE INDEX users_break_glass ON users (organization_id, id) WHERE break_glass = TRUE AND deleted_at IS NULL;

-- Each lets such an account's person come in once, together with the password.
CREATE TABLE break_glass_links (
    hash BLOB NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    user_epoch INTEGER NOT NULL,
    organization_epoch INTEGER NOT NULL,
    connection_epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT;
CREATE INDEX break_glass_links_user ON break_glass_links (user_id);
CREATE INDEX break_glass_links_expiry ON break_glass_links (expires_at);
