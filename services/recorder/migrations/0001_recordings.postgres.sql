-- Times are microseconds since 1970, durations microseconds.

-- One row for each answered call that is over. `payload`: its final end event, from which recording events are made.
CREATE TABLE calls (
    pbx TEXT NOT NULL,
    call_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    accepted_at BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (pbx, call_id)
);

CREATE INDEX calls_by_age ON calls (accepted_at);

-- One row for each link of such a call: whose recording is owed, and what became of it.
CREATE TABLE jobs (
    pbx TEXT NOT NULL,
    call_id TEXT NOT NULL,
    link BIGINT NOT NULL,
    "user" TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'ready', 'absent', 'failed')),
    reason TEXT NOT NULL DEFAULT 'none',
    attempts BIGINT NOT NULL DEFAULT 0, -- conversions that failed
    settled_at BIGINT,
    told_at BIGINT, -- when its event was put into the outbox
    PRIMARY KEY (pbx, call_id, link)
);

CREATE INDEX jobs_to_tell ON jobs (pbx, call_id) WHERE told_at IS NULL;

-- The catalog of MP3 files.
CREATE TABLE files (
    pbx TEXT NOT NULL,
    call_id TEXT NOT NULL,
    link BIGINT NOT NULL,
    number BIGINT NOT NULL, -- within the link, from 1
    duration BIGINT NOT NULL,
    size BIGINT NOT NULL, -- bytes
    sha256 TEXT NOT NULL,
    channels BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (pbx, call_id, link, number)
);

CREATE INDEX files_to_delete ON files (expires_at) WHERE deleted_at IS NULL;

-- How far each PBX's list of recordings has been read.
CREATE TABLE cursors (
    pbx TEXT PRIMARY KEY,
    last_id BIGINT NOT NULL
);
