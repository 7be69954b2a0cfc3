-- Runs at every start, so nothing here may mind that it has run before.
-- Columns are read in this order; see `FromRow` in posts.rs and comments.rs.

CREATE TABLE IF NOT EXISTS posts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again after a delete
    title         TEXT NOT NULL,
    content       TEXT NOT NULL,
    author        TEXT NOT NULL,
    created_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),  -- RFC 3339
    updated_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
    comment_count INTEGER NOT NULL DEFAULT 0  -- changed with the comments, in one transaction
) STRICT;

CREATE TABLE IF NOT EXISTS comments (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    post_id    INTEGER NOT NULL REFERENCES posts ON DELETE CASCADE,
    content    TEXT NOT NULL,
    author     TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ'))
) STRICT;

-- The comments of a post, newest first, and those that go with it.
CREATE INDEX IF NOT EXISTS comments_of_post ON comments (post_id, id);
