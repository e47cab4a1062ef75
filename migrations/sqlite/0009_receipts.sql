-- request_id: the SCIM request that caused it, as the provisioning log names it.
ALTER TABLE offboardings ADD COLUMN request_id TEXT;

-- What an ending took from each application, and what came of telling it. The notices themselves are forgotten sooner than
-- the receipt, so their sum is kept here when it is closed.
-- access_tokens_until: when the last access token runs out that resource servers judge by themselves (RFC 9068).
CREATE TABLE offboarding_applications (
    offboarding_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    app_sessions INTEGER NOT NULL,
    refresh_tokens INTEGER NOT NULL,
    access_tokens_until INTEGER,
    notices INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    first_acknowledged_at INTEGER,
    acknowledged_at INTEGER,
    PRIMARY KEY (offboarding_id, application_id)
) STRICT;
