-- How many people a directory may take away within an hour before somebody has to look at it.
-- counted_from: departures before do not count any more. confirmed_until: until then everything is meant.
CREATE TABLE directory_guards (
    directory_id TEXT NOT NULL PRIMARY KEY,
    users INTEGER,
    percent INTEGER,
    held_at INTEGER,
    counted_from INTEGER NOT NULL,
    confirmed_until INTEGER
) STRICT;

-- Who was taken away by a guarded directory within the last hour.
CREATE TABLE directory_departures (
    directory_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (directory_id, user_id)
) STRICT;
CREATE INDEX directory_departures_age ON directory_departures (created_at);
CREATE INDEX directory_departures_directory ON directory_departures (directory_id, created_at);
