-- Who tells us about the people of a connection, beside its identity provider's tokens. method: 'none', 'push' or 'poll';
-- last_error: why the last message was refused, or why the last poll failed.
CREATE TABLE signal_sources (
    connection_id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    jwks_uri TEXT NOT NULL,
    audience TEXT NOT NULL,
    client_id TEXT,
    method TEXT NOT NULL,
    push_secret_hash BLOB,
    poll_url TEXT,
    poll_token_sealed BLOB,
    poll_leased_until INTEGER NOT NULL,
    last_event_at INTEGER,
    last_verified_at INTEGER,
    last_error TEXT,
    last_error_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX signal_sources_poll ON signal_sources (poll_leased_until) WHERE method = 'poll';

-- What was told, and what it did. source: 'global_token_revocation' or 'ssf'.
CREATE TABLE received_signals (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    source TEXT NOT NULL,
    event TEXT NOT NULL,
    message_id TEXT,
    subject TEXT NOT NULL,
    user_id TEXT,
    effect TEXT NOT NULL,
    ended INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX received_signals_connection ON received_signals (connection_id, id);
CREATE INDEX received_signals_age ON received_signals (created_at);

-- What applications hear about. kinds: words of ours; endpoint_url: where a stream that pushes pushes to.
CREATE TABLE streams (
    id TEXT NOT NULL PRIMARY KEY,
    application_id TEXT NOT NULL,
    status TEXT NOT NULL,
    status_reason TEXT,
    method TEXT NOT NULL,
    endpoint_url TEXT,
    authorization_sealed BLOB,
    events_requested TEXT NOT NULL,
    kinds TEXT NOT NULL,
    description TEXT,
    verified_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX streams_application ON streams (application_id);

-- What waits to be polled, or for the end of a pause. payload: what happened, in words of ours.
CREATE TABLE stream_events (
    id TEXT NOT NULL PRIMARY KEY,
    stream_id TEXT NOT NULL,
    organization_id TEXT,
    user_id TEXT,
    payload TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX stream_events_stream ON stream_events (stream_id, id);
CREATE INDEX stream_events_age ON stream_events (created_at);

-- Access tokens that applications got for themselves, with the epoch that they had then.
CREATE TABLE stream_tokens (
    hash BLOB NOT NULL PRIMARY KEY,
    application_id TEXT NOT NULL,
    application_epoch INTEGER NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX stream_tokens_expiry ON stream_tokens (expires_at);
