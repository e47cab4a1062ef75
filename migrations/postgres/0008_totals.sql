-- How many users a directory owns, so that nobody has to walk a million of them to say so.
-- In parts: of transactions that run side by side hardly two add to the same row.
CREATE TABLE directory_totals (
    directory_id TEXT NOT NULL,
    part BIGINT NOT NULL,
    users BIGINT NOT NULL,
    PRIMARY KEY (directory_id, part)
);
INSERT INTO directory_totals (directory_id, part, users)
    SELECT directory_id, 0, COUNT(*) FROM users WHERE directory_id IS NOT NULL AND deleted_at IS NULL GROUP BY directory_id;
