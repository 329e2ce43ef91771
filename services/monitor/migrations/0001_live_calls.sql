-- The picture of every live call, kept in the same transaction as the events that came of it.
CREATE TABLE live_calls (
    pbx TEXT NOT NULL,
    call_id TEXT NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (pbx, call_id)
);
