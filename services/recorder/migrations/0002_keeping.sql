-- What retention decides by. `gone`: why a file was deleted; `kept_at`: when it was stored.
ALTER TABLE files ADD COLUMN kept_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN gone TEXT NOT NULL DEFAULT '';

UPDATE files SET kept_at = coalesce(
    (SELECT settled_at FROM jobs WHERE jobs.pbx = files.pbx AND jobs.call_id = files.call_id AND jobs.link = files.link), 0);

CREATE INDEX files_by_age ON files (kept_at) WHERE deleted_at IS NULL;
CREATE INDEX files_gone ON files (deleted_at) WHERE deleted_at IS NOT NULL;

-- Recordings that belong to no call that was seen have a row in `calls` too, made up from the recording.
ALTER TABLE calls ADD COLUMN is_matched INTEGER NOT NULL DEFAULT 1;

-- Written before an MP3 is stored and deleted when its link is settled: what is left here was stored for nobody.
CREATE TABLE uploads (
    pbx TEXT NOT NULL,
    call_id TEXT NOT NULL,
    link INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (pbx, call_id, link, number)
);

-- Calls whose recordings must not be deleted.
CREATE TABLE holds (
    pbx TEXT NOT NULL,
    call_id TEXT NOT NULL,
    held_at INTEGER NOT NULL,
    PRIMARY KEY (pbx, call_id)
);

-- When the last purge was finished; one row.
CREATE TABLE purges (
    name TEXT PRIMARY KEY,
    finished_at INTEGER NOT NULL
);

-- Rows of a PBX's list that belong to nobody yet. `fields`: the row as JSON.
CREATE TABLE strays (
    pbx TEXT NOT NULL,
    id INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (pbx, id)
);

-- Rows of a PBX's list that have a call. `fields`: the row as JSON where the call was made up for it, else empty.
CREATE TABLE taken (
    pbx TEXT NOT NULL,
    id INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (pbx, id)
);

CREATE INDEX taken_by_call ON taken (pbx, call_id);
