-- Deadlines, replays, parking, own events, and more about each attempt. Times as before.

-- kind: 'call' is an encoded event of a call, 'own' a JSON body about the dispatcher itself.
ALTER TABLE events ADD COLUMN kind TEXT NOT NULL DEFAULT 'call';

-- The calls that are not over: opened by the event with this number, closed when their final end is accepted.
CREATE TABLE live_calls (
    call   TEXT PRIMARY KEY,
    number BIGINT NOT NULL
);
CREATE INDEX live_calls_by_age ON live_calls (number);

-- What a restart must not forget of an endpoint. One without a row is active.
CREATE TABLE endpoints (
    name   TEXT PRIMARY KEY,
    state  TEXT NOT NULL CHECK (state IN ('active', 'paused')),
    reason TEXT NOT NULL,
    since  BIGINT NOT NULL
);

ALTER TABLE attempts ADD COLUMN address TEXT NOT NULL DEFAULT '';        -- ip:port that was connected to
ALTER TABLE attempts ADD COLUMN response_body TEXT NOT NULL DEFAULT '';  -- its beginning, redacted
ALTER TABLE attempts ADD COLUMN response_bytes BIGINT NOT NULL DEFAULT 0;

-- The same deliveries with one more state. deadline_at: NULL is never. earlier_attempts: those that the retry schedule
-- does not count, because they were made before a replay or were a second try at once. replays: by an operator.
ALTER TABLE deliveries RENAME TO deliveries_before;
DROP INDEX lane_in_order;
DROP INDEX lane_has_one_head;
DROP INDEX heads_by_due_time;
DROP INDEX dead_deliveries;
CREATE TABLE deliveries (
    event            INTEGER NOT NULL REFERENCES events (number),
    endpoint         TEXT NOT NULL,
    call             TEXT NOT NULL,
    sequence         BIGINT NOT NULL,
    status           TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'dead', 'expired')),
    attempts         INTEGER NOT NULL,
    earlier_attempts INTEGER NOT NULL DEFAULT 0,
    replays          INTEGER NOT NULL DEFAULT 0,
    due_at           BIGINT,
    deadline_at      BIGINT,
    reason           TEXT NOT NULL,
    settled_at       BIGINT,
    PRIMARY KEY (event, endpoint)
) WITHOUT ROWID;
INSERT INTO deliveries (event, endpoint, call, sequence, status, attempts, due_at, reason, settled_at)
SELECT event, endpoint, call, sequence, status, attempts, due_at, reason, settled_at FROM deliveries_before;
DROP TABLE deliveries_before;
CREATE INDEX lane_in_order ON deliveries (endpoint, call, sequence) WHERE status = 'pending';
CREATE UNIQUE INDEX lane_has_one_head ON deliveries (endpoint, call) WHERE status = 'pending' AND due_at IS NOT NULL;
CREATE INDEX heads_by_due_time ON deliveries (endpoint, due_at) WHERE status = 'pending' AND due_at IS NOT NULL;
CREATE INDEX pending_by_deadline ON deliveries (deadline_at) WHERE status = 'pending' AND deadline_at IS NOT NULL;
CREATE INDEX given_up_deliveries ON deliveries (endpoint, settled_at) WHERE status IN ('dead', 'expired');
