-- The tables once more, in a connection's own memory: reads see main's rows but for those that are gone, and the new
-- ones; writes only touch what is new and what is gone. A name without a schema means these.

PRAGMA temp_store = MEMORY;

CREATE TEMP TABLE new_documents (
    kind TEXT NOT NULL, id BLOB NOT NULL, revision INTEGER NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE TEMP TABLE gone_documents (
    kind TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TEMP VIEW documents AS
    SELECT kind, id, revision, payload FROM main.documents AS m
    WHERE NOT EXISTS (SELECT 1 FROM gone_documents AS g WHERE g.kind = m.kind AND g.id = m.id)
    UNION ALL SELECT kind, id, revision, payload FROM new_documents;
CREATE TEMP TRIGGER put_document INSTEAD OF INSERT ON documents BEGIN
    INSERT OR REPLACE INTO new_documents VALUES (new.kind, new.id, new.revision, new.payload);
    INSERT OR IGNORE INTO gone_documents VALUES (new.kind, new.id);
END;
CREATE TEMP TRIGGER drop_document INSTEAD OF DELETE ON documents BEGIN
    DELETE FROM new_documents WHERE kind = old.kind AND id = old.id;
    INSERT OR IGNORE INTO gone_documents VALUES (old.kind, old.id);
END;

CREATE TEMP TABLE new_unique_keys (
    kind TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (kind, field, value)
) WITHOUT ROWID;
CREATE INDEX temp.new_unique_keys_by_document ON new_unique_keys (kind, id);
CREATE TEMP TABLE gone_unique_keys (
    kind TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, field, value)
) WITHOUT ROWID;
CREATE TEMP VIEW unique_keys AS
    SELECT kind, field, value, id FROM main.unique_keys AS m
    WHERE NOT EXISTS (
        SELECT 1 FROM gone_unique_keys AS g WHERE g.kind = m.kind AND g.field = m.field AND g.value = m.value
    )
    UNION ALL SELECT kind, field, value, id FROM new_unique_keys;
CREATE TEMP TRIGGER put_unique_key INSTEAD OF INSERT ON unique_keys BEGIN
    INSERT OR REPLACE INTO new_unique_keys VALUES (new.kind, new.field, new.value, new.id);
    INSERT OR IGNORE INTO gone_unique_keys VALUES (new.kind, new.field, new.value);
END;
CREATE TEMP TRIGGER drop_unique_key INSTEAD OF DELETE ON unique_keys BEGIN
    DELETE FROM new_unique_keys WHERE kind = old.kind AND field = old.field AND value = old.value;
    INSERT OR IGNORE INTO gone_unique_keys VALUES (old.kind, old.field, old.value);
END;

CREATE TEMP TABLE new_references (
    kind TEXT NOT NULL, id BLOB NOT NULL, field TEXT NOT NULL, to_kind TEXT NOT NULL, to_id BLOB NOT NULL,
    PRIMARY KEY (kind, id, field, to_kind, to_id)
) WITHOUT ROWID;
CREATE INDEX temp.new_references_by_target ON new_references (to_kind, to_id, kind, field, id);
CREATE TEMP TABLE gone_references (
    kind TEXT NOT NULL, id BLOB NOT NULL, field TEXT NOT NULL, to_kind TEXT NOT NULL, to_id BLOB NOT NULL,
    PRIMARY KEY (kind, id, field, to_kind, to_id)
) WITHOUT ROWID;
CREATE TEMP VIEW "references" AS
    SELECT kind, id, field, to_kind, to_id FROM main."references" AS m
    WHERE NOT EXISTS (
        SELECT 1 FROM gone_references AS g WHERE g.kind = m.kind AND g.id = m.id AND g.field = m.field
            AND g.to_kind = m.to_kind AND g.to_id = m.to_id
    )
    UNION ALL SELECT kind, id, field, to_kind, to_id FROM new_references;
CREATE TEMP TRIGGER put_reference INSTEAD OF INSERT ON "references" BEGIN
    INSERT OR REPLACE INTO new_references VALUES (new.kind, new.id, new.field, new.to_kind, new.to_id);
    INSERT OR IGNORE INTO gone_references VALUES (new.kind, new.id, new.field, new.to_kind, new.to_id);
END;
CREATE TEMP TRIGGER drop_reference INSTEAD OF DELETE ON "references" BEGIN
    DELETE FROM new_references WHERE kind = old.kind AND id = old.id AND field = old.field
        AND to_kind = old.to_kind AND to_id = old.to_id;
    INSERT OR IGNORE INTO gone_references VALUES (old.kind, old.id, old.field, old.to_kind, old.to_id);
END;
