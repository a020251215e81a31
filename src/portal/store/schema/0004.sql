-- The audit as a chain: each entry has the digest of itself and of all before it (docs/portal.md). The table is made anew, because its ids are
-- given by the portal now, one after the other. What was there gets its digests right after this, and then nobody changes an entry.

CREATE TABLE audit_new (
    id              INTEGER PRIMARY KEY,
    at              INTEGER NOT NULL,
    actor           TEXT    NOT NULL,
    event           TEXT    NOT NULL,
    subscription_id TEXT    REFERENCES subscriptions (id),
    environment_id  TEXT    REFERENCES environments (id),
    detail          TEXT    NOT NULL,
    hash            TEXT    NOT NULL
) STRICT;

INSERT INTO audit_new
    SELECT id, at, actor, event, subscription_id, environment_id, detail, '' FROM audit ORDER BY id;
DROP TABLE audit;
ALTER TABLE audit_new RENAME TO audit;

CREATE INDEX audit_of_subscription ON audit (subscription_id, id);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit WHEN OLD.hash <> ''
BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;
