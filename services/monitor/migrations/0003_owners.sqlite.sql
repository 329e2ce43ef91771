-- Several monitors on one database (PostgreSQL) share the PBXs. Here there is one monitor, and the tables stay empty.

CREATE TABLE replicas (
    number     INTEGER PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE TABLE pbx_owners (
    pbx       TEXT PRIMARY KEY,
    owner     BIGINT NOT NULL DEFAULT 0,
    wanted_by BIGINT NOT NULL DEFAULT 0
);
