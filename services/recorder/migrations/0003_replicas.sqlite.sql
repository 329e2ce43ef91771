-- Several recorders on one database (PostgreSQL) share the work. Here there is one recorder, and its number is 1.
-- Times are microseconds since 1970.

-- Stay empty.
CREATE TABLE replicas (
    number     INTEGER PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE TABLE pbx_owners (
    pbx       TEXT PRIMARY KEY,
    owner     BIGINT NOT NULL DEFAULT 0,
    wanted_by BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE arrivals (
    number  INTEGER PRIMARY KEY,
    pbx     TEXT NOT NULL,
    call_id TEXT NOT NULL,
    ids     TEXT NOT NULL DEFAULT ''
);

CREATE TABLE tokens (
    pbx         TEXT PRIMARY KEY,
    client      TEXT NOT NULL DEFAULT '',
    token       TEXT NOT NULL DEFAULT '',
    obtained_at TEXT NOT NULL DEFAULT '',
    expires_at  TEXT NOT NULL DEFAULT '',
    asked_by    BIGINT NOT NULL DEFAULT 0
);

-- Which replica works at what was found of the call (0: none), and when there is something to do next (empty: nothing).
ALTER TABLE calls ADD COLUMN owner BIGINT NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN due_at BIGINT;
CREATE INDEX calls_due ON calls (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX calls_owned ON calls (owner) WHERE owner <> 0;

-- What was found of a link: the rows of the PBX's list as JSON, `[]` when none came in time, empty while it is looked for.
ALTER TABLE jobs ADD COLUMN listed TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN listed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN looks BIGINT NOT NULL DEFAULT 0; -- how often the PBX did not give a file
ALTER TABLE jobs ADD COLUMN owed_since BIGINT NOT NULL DEFAULT 0; -- 0: written by an older version
CREATE INDEX jobs_by_age ON jobs (owed_since) WHERE told_at IS NULL;

UPDATE jobs SET owed_since = coalesce(
    (SELECT accepted_at FROM calls WHERE calls.pbx = jobs.pbx AND calls.call_id = jobs.call_id), 0)
WHERE told_at IS NULL;
