-- Five generic tables: a new kind of document touches no SQL (sync-protocol.md 3.1).

CREATE TABLE documents (
    kind     TEXT    NOT NULL,
    id       BLOB    NOT NULL,
    revision INTEGER NOT NULL, -- that wrote it; a counter of its own for kinds that take no revision
    payload  BLOB    NOT NULL, -- canonical JSON
    PRIMARY KEY (kind, id)
);

CREATE TABLE unique_keys (
    kind  TEXT NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    id    BLOB NOT NULL,
    PRIMARY KEY (kind, field, value)
) WITHOUT ROWID;
CREATE INDEX unique_keys_by_document ON unique_keys (kind, id);

-- Tags are references too: to_kind 'tags', to_id the tag's bytes.
CREATE TABLE "references" (
    kind    TEXT NOT NULL,
    id      BLOB NOT NULL,
    field   TEXT NOT NULL,
    to_kind TEXT NOT NULL,
    to_id   BLOB NOT NULL,
    PRIMARY KEY (kind, id, field, to_kind, to_id)
) WITHOUT ROWID;
CREATE INDEX references_by_target ON "references" (to_kind, to_id, kind, field, id);

CREATE TABLE change_log (
    revision INTEGER NOT NULL,
    seq      INTEGER NOT NULL, -- a batch or a cascade is one revision
    kind     TEXT    NOT NULL,
    id       BLOB    NOT NULL,
    before   BLOB,             -- none: created
    after    BLOB,             -- none: deleted
    digest   BLOB    NOT NULL, -- of the whole state after this revision
    actor    TEXT    NOT NULL,
    at       INTEGER NOT NULL, -- Unix milliseconds
    PRIMARY KEY (revision, seq)
);

CREATE TABLE meta (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    epoch     BLOB    NOT NULL,
    head      INTEGER NOT NULL,
    log_floor INTEGER NOT NULL, -- every change above it is in the log
    digest    BLOB    NOT NULL
);
