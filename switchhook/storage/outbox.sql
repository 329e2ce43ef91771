-- Events that not every sink has acknowledged yet.
-- AUTOINCREMENT: a position is given at the commit, in the order of the commits, and never again after its row is gone.
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    event_id TEXT NOT NULL UNIQUE,
    payload BLOB NOT NULL,
    appended_at INTEGER NOT NULL -- ms since 1970
);

CREATE INDEX outbox_by_stream ON outbox (stream, position);

CREATE TABLE outbox_sinks (
    stream TEXT NOT NULL,
    sink TEXT NOT NULL,
    acknowledged INTEGER NOT NULL, -- position; 0: nothing yet
    PRIMARY KEY (stream, sink)
);
