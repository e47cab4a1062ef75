-- request_id: the SCIM request that caused it, as the provisioning log names it.
ALTER TABLE offboardings ADD COLUMN request_id TEXT;

-- What an ending took from each application, and what came of telling it. The notices themselves are forgotten sooner than
-- the receipt, so their sum is kept here when it is closed.
-- access_tokens_until: when the last access token runs out that resource servers judge by themselves (RFC 9068).
CREATE TABLE offboarding_applications (
    offboarding_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    app_sessions BIGINT NOT NULL,
    refresh_tokens BIGINT NOT NULL,
    access_tokens_until BIGINT,
    notices BIGINT NOT NULL,
    acknowledged BIGINT NOT NULL,
    dead BIGINT NOT NULL,
    first_acknowledged_at BIGINT,
    acknowledged_at BIGINT,
    PRIMARY KEY (offboarding_id, application_id)
);
