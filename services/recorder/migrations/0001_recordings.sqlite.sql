-- Times are microseconds since 1970, durations microseconds.

-- One row for each answered call that is over. `payload`: its final end event, from which recording events are made.
CREATE TABLE calls (
    pbx TEXT NOT NULL,
    call_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (pbx, call_id)
);

CREATE INDEX calls_by_age ON calls (accepted_at);

-- One row for each link of such a call: whose recording is owed, and what became of it.
CREATE TABLE jobs (
    pbx TEXT NOT NULL,
    call_id TEXT NOT NULL,
    link INTEGER NOT NULL,
    user TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'ready', 'absent', 'failed')),
    reason TEXT NOT NULL DEFAULT 'none',
    attempts INTEGER NOT NULL DEFAULT 0, -- conversions that failed
    settled_at INTEGER,
    told_at INTEGER, -- when its event was put into the outbox
    PRIMARY KEY (pbx, call_id, link)
);

CREATE INDEX jobs_to_tell ON jobs (pbx, call_id) WHERE told_at IS NULL;

-- The catalog of MP3 files.
CREATE TABLE files (
    pbx TEXT NOT NULL,
    call_id TEXT NOT NULL,
    link INTEGER NOT NULL,
    number INTEGER NOT NULL, -- within the link, from 1
    duration INTEGER NOT NULL,
    size INTEGER NOT NULL, -- bytes
    sha256 TEXT NOT NULL,
    channels INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    deleted_at INTEGER,
    PRIMARY KEY (pbx, call_id, link, number)
);

CREATE INDEX files_to_delete ON files (expires_at) WHERE deleted_at IS NULL;

-- How far each PBX's list of recordings has been read.
CREATE TABLE cursors (
    pbx TEXT PRIMARY KEY,
    last_id INTEGER NOT NULL
);
