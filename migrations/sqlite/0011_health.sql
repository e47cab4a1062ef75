-- How many SCIM requests a directory sent in each hour, and how many of them were refused. hour: hours since 1970.
CREATE TABLE directory_activity (
    directory_id TEXT NOT NULL,
    hour INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (directory_id, hour)
) STRICT;
CREATE INDEX directory_activity_age ON directory_activity (hour);

-- Directories that have not been heard of for a while: when they are looked at again, and when their silence was told.
CREATE TABLE directory_silences (
    directory_id TEXT NOT NULL PRIMARY KEY,
    next_check_at INTEGER NOT NULL,
    told_at INTEGER
) STRICT;
