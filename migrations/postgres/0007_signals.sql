-- Who tells us about the people of a connection, beside its identity provider's tokens. method: 'none', 'push' or 'poll';
-- last_error: why the last message was refused, or why the last poll failed.
CREATE TABLE signal_sources (
    connection_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    issuer TEXT NOT NULL,
    jwks_uri TEXT NOT NULL,
    audience TEXT NOT NULL,
    client_id TEXT,
    method TEXT NOT NULL,
    push_secret_hash BYTEA,
    poll_url TEXT,
    poll_token_sealed BYTEA,
    poll_leased_until BIGINT NOT NULL,
    last_event_at BIGINT,
    last_verified_at BIGINT,
    last_error TEXT,
    last_error_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX signal_sources_poll ON signal_sources (poll_leased_until) WHERE method = 'poll';

-- What was told, and what it did. source: 'global_token_revocation' or 'ssf'.
CREATE TABLE received_signals (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    source TEXT NOT NULL,
    event TEXT NOT NULL,
    message_id TEXT,
    subject JSONB NOT NULL,
    user_id TEXT COLLATE "C",
    effect TEXT NOT NULL,
    ended BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX received_signals_connection ON received_signals (connection_id, id);
CREATE INDEX received_signals_age ON received_signals (created_at);

-- What applications hear about. kinds: words of ours; endpoint_url: where a stream that pushes pushes to.
CREATE TABLE streams (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    application_id TEXT COLLATE "C" NOT NULL,
    status TEXT NOT NULL,
    status_reason TEXT,
    method TEXT NOT NULL,
    endpoint_url TEXT,
    authorization_sealed BYTEA,
    events_requested JSONB NOT NULL,
    kinds JSONB NOT NULL,
    description TEXT,
    verified_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX streams_application ON streams (application_id);

-- What waits to be polled, or for the end of a pause. payload: what happened, in words of ours.
CREATE TABLE stream_events (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    stream_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C",
    user_id TEXT COLLATE "C",
    payload JSONB NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX stream_events_stream ON stream_events (stream_id, id);
CREATE INDEX stream_events_age ON stream_events (created_at);

-- Access tokens that applications got for themselves, with the epoch that they had then.
CREATE TABLE stream_tokens (
    hash BYTEA NOT NULL PRIMARY KEY,
    application_id TEXT COLLATE "C" NOT NULL,
    application_epoch BIGINT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX stream_tokens_expiry ON stream_tokens (expires_at);
