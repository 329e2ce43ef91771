-- The picture of every live call, kept in the same transaction as the events that came of it.
CREATE TABLE live_calls (
    pbx TEXT NOT NULL,
    call_id TEXT NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (pbx, call_id)
);

-- Calls that are over, one row for each of their runtime numbers: what the call log has of them is old news.
-- Times are seconds since 1970.
CREATE TABLE past_calls (
    pbx TEXT NOT NULL,
    number INTEGER NOT NULL,
    arrived_at REAL NOT NULL,
    ended_at REAL NOT NULL,
    PRIMARY KEY (pbx, number, arrived_at)
);
CREATE INDEX past_calls_by_end ON past_calls (pbx, ended_at);

-- Until when each PBX was followed; what happened since is to be looked up.
CREATE TABLE watches (
    pbx TEXT PRIMARY KEY,
    followed_until REAL NOT NULL
);
