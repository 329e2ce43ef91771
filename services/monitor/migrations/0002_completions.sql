-- Calls whose final end was told and whose completed event is owed: the final end, as it was published.
CREATE TABLE completions (
    pbx TEXT NOT NULL,
    call_id TEXT NOT NULL,
    final BLOB NOT NULL,
    PRIMARY KEY (pbx, call_id)
);

-- When each PBX was followed for the first time, and until when its call log was compared with what was reported.
-- Times are seconds since 1970; empty: not known.
ALTER TABLE watches ADD COLUMN first_followed_at REAL;
ALTER TABLE watches ADD COLUMN proven_until REAL;
