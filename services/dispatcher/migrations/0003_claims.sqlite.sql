-- Several dispatchers on one database (PostgreSQL). Times as before, but of the database's own clock.

-- A dispatcher that runs. Its number is its fencing number: never given again, and a new one after a lease was lost.
CREATE TABLE replicas (
    number     INTEGER PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

-- Which replica may attempt the delivery; 0: nobody, or the only one there is.
ALTER TABLE deliveries ADD COLUMN owner BIGINT NOT NULL DEFAULT 0;
CREATE INDEX claimed_deliveries ON deliveries (owner) WHERE owner <> 0;
