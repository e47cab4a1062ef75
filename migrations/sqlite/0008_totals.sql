-- How many users a directory owns, so that nobody has to walk a million of them to say so.
CREATE TABLE directory_totals (
    directory_id TEXT NOT NULL,
    part INTEGER NOT NULL,
    users INTEGER NOT NULL,
    PRIMARY KEY (directory_id, part)
) STRICT;
INSERT INTO directory_totals (directory_id, part, users)
    SELECT directory_id, 0, COUNT(*) FROM users WHERE directory_id IS NOT NULL AND deleted_at IS NULL GROUP BY directory_id;
