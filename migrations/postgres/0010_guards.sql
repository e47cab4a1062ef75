-- How many people a directory may take away within an hour before somebody has to look at it.
-- counted_from: departures before do not count any more. confirmed_until: until then everything is meant.
CREATE TABLE directory_guards (
    directory_id TEXT NOT NULL PRIMARY KEY,
    users BIGINT,
    percent BIGINT,
    held_at BIGINT,
    counted_from BIGINT NOT NULL,
    confirmed_until BIGINT
);

-- Who was taken away by a guarded directory within the last hour.
CREATE TABLE directory_departures (
    directory_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (directory_id, user_id)
);
CREATE INDEX directory_departures_age ON directory_departures (created_at);
CREATE INDEX directory_departures_directory ON directory_departures (directory_id, created_at);
