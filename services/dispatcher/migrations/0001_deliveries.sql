-- Times are integers: microseconds since 1970-01-01 UTC.

-- Every event that was accepted, once, as it came. held_until: its predecessors have not arrived; no deliveries yet.
CREATE TABLE events (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    call        TEXT NOT NULL,     -- <pbx>/<call id>
    sequence    INTEGER NOT NULL,  -- gapless per call, from 1
    payload     BLOB NOT NULL,
    accepted_at INTEGER NOT NULL,
    held_until  INTEGER
);
CREATE INDEX events_of_call ON events (call, sequence);
CREATE INDEX events_held ON events (held_until) WHERE held_until IS NOT NULL;

-- One event for one endpoint. A lane is (endpoint, call); its head is the one pending delivery that has a due_at,
-- and the index lane_has_one_head makes a second one impossible.
CREATE TABLE deliveries (
    event      INTEGER NOT NULL REFERENCES events (number),
    endpoint   TEXT NOT NULL,
    call       TEXT NOT NULL,
    sequence   INTEGER NOT NULL,
    status     TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts   INTEGER NOT NULL,
    due_at     INTEGER,
    reason     TEXT NOT NULL,
    settled_at INTEGER,
    PRIMARY KEY (event, endpoint)
) WITHOUT ROWID;
CREATE INDEX lane_in_order ON deliveries (endpoint, call, sequence) WHERE status = 'pending';
CREATE UNIQUE INDEX lane_has_one_head ON deliveries (endpoint, call) WHERE status = 'pending' AND due_at IS NOT NULL;
CREATE INDEX heads_by_due_time ON deliveries (endpoint, due_at) WHERE status = 'pending' AND due_at IS NOT NULL;
CREATE INDEX dead_deliveries ON deliveries (endpoint, settled_at) WHERE status = 'dead';

-- One HTTP request for a delivery. duration in microseconds; status is NULL when no answer came.
CREATE TABLE attempts (
    event      INTEGER NOT NULL,
    endpoint   TEXT NOT NULL,
    number     INTEGER NOT NULL,  -- from 1
    started_at INTEGER NOT NULL,
    duration   INTEGER NOT NULL,
    status     INTEGER,
    outcome    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    excerpt    TEXT NOT NULL,     -- a redacted beginning of what a refusal said
    PRIMARY KEY (event, endpoint, number)
) WITHOUT ROWID;
