-- Who wrote what, from where and when: a row for each write, in the transaction of the write.

CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL, -- Unix milliseconds
    actor    TEXT    NOT NULL,
    address  TEXT,             -- none: the control plane itself
    action   TEXT,             -- none: nobody asked for it
    revision INTEGER NOT NULL, -- the newest one after the write
    kinds    TEXT    NOT NULL, -- of what changed, with a space before and after each
    changed  INTEGER NOT NULL, -- how many documents
    changes  BLOB    NOT NULL  -- JSON: the first of them, by id and member names; never a value
);
