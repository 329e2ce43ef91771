-- Times are integers: microseconds since 1970-01-01 UTC.

-- Who listened to what. bytes: of the recording, that were sent.
CREATE TABLE listens (
    number    INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    pbx       TEXT NOT NULL,
    call      TEXT NOT NULL,
    recording TEXT NOT NULL,
    recipient TEXT NOT NULL,     -- the endpoint that the link was made for; empty for an open link
    address   TEXT NOT NULL,
    status    INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    complete  INTEGER NOT NULL
);
CREATE INDEX listens_by_time ON listens (at);
CREATE INDEX listens_by_call ON listens (call, at);

-- Links that do not work any more; what is empty or NULL holds for all. since and until are when the call arrived.
CREATE TABLE revocations (
    id        TEXT PRIMARY KEY,
    made_at   INTEGER NOT NULL,
    pbx       TEXT NOT NULL,
    call      TEXT NOT NULL,
    recipient TEXT NOT NULL,
    since     INTEGER,
    until     INTEGER
);
