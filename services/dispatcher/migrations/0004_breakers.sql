-- What the dispatchers on one database tell each other about an endpoint that mostly fails. Times as before.

-- opened_at: since when its breaker is open, NULL while it is closed; it may be paused all the same. probe_at: from
-- when on one of them may probe it.
ALTER TABLE endpoints ADD COLUMN opened_at BIGINT;
ALTER TABLE endpoints ADD COLUMN open_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE endpoints ADD COLUMN probe_at BIGINT;
