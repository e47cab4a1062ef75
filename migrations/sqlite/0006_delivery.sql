-- due_since: when the job could first be done; a person who gives a dead one another chance sets it anew.
ALTER TABLE outbox ADD COLUMN due_since INTEGER NOT NULL DEFAULT 0;
UPDATE outbox SET due_since = created_at;
-- Claims walk from one destination to the next, and see the same few jobs of each however many wait.
DROP INDEX outbox_due;
CREATE INDEX outbox_queue ON outbox (kind, destination, not_before, id) WHERE done_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_dead ON outbox (id) WHERE dead_at IS NOT NULL;
CREATE INDEX outbox_dead_of ON outbox (destination, id) WHERE dead_at IS NOT NULL;

-- Destinations that failed last; the row goes with the next success. open_until: nothing is sent there before, and then one job.
CREATE TABLE destinations (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    failures INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    open_until INTEGER,
    PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX destinations_open ON destinations (kind) WHERE open_until IS NOT NULL;

-- The secret before the last rotation signs as well until previous_secret_until.
ALTER TABLE webhooks ADD COLUMN previous_secret_sealed BLOB;
ALTER TABLE webhooks ADD COLUMN previous_secret_until INTEGER;

-- The headers of an attempt without its signature, and what came back: chosen headers and the start of the body.
ALTER TABLE webhook_deliveries ADD COLUMN request_headers TEXT;
ALTER TABLE webhook_deliveries ADD COLUMN response_headers TEXT;
ALTER TABLE webhook_deliveries ADD COLUMN response_body TEXT;
