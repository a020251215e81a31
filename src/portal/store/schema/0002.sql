-- Environments whose key or hardware changes. The table is made anew, because SQLite changes no constraints:
-- an environment may be bound to its Serial Number alone (no key), a slot may stay in use after its release, and a Serial
-- Number is unique among the environments that are not released: hardware that was one environment may become another.

CREATE TABLE environments_new (
    id              TEXT    PRIMARY KEY,
    subscription_id TEXT    NOT NULL REFERENCES subscriptions (id),
    serial_number   TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    purpose         TEXT    NOT NULL,
    key             TEXT,
    sequence        INTEGER NOT NULL CHECK (sequence >= 0),
    document_kind   TEXT    CHECK (document_kind IN ('license', 'revocation')),
    document        TEXT,
    made_from       INTEGER NOT NULL,
    chain           TEXT    NOT NULL,
    activated_at    INTEGER NOT NULL,
    seen_at         INTEGER NOT NULL,
    released_at     INTEGER,
    -- Released off-line: until then its license may still run somewhere.
    slot_held_until INTEGER,
    CHECK ((document IS NULL) = (document_kind IS NULL)),
    CHECK (slot_held_until IS NULL OR released_at IS NOT NULL)
) STRICT;

INSERT INTO environments_new
    SELECT id, subscription_id, serial_number, name, purpose, key, sequence, document_kind, document, made_from, chain,
           activated_at, seen_at, released_at, NULL
    FROM environments;
DROP TABLE environments;
ALTER TABLE environments_new RENAME TO environments;

CREATE INDEX environments_in_use ON environments (subscription_id, purpose)
    WHERE released_at IS NULL OR slot_held_until IS NOT NULL;
CREATE UNIQUE INDEX environments_live ON environments (subscription_id, serial_number) WHERE released_at IS NULL;
CREATE INDEX environments_of_serial ON environments (serial_number, subscription_id);

-- The hardware of an environment, in digests keyed from the Activation Code: by these a machine is known again.
CREATE TABLE evidence (
    environment_id  TEXT    NOT NULL REFERENCES environments (id),
    fact_group      TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    digest          TEXT    NOT NULL,
    weight          INTEGER NOT NULL,
    PRIMARY KEY (environment_id, source, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX evidence_of_digest ON evidence (digest);

-- Keys that were bound before: whoever still holds one is told so by a signed word.
CREATE TABLE retired_keys (
    environment_id  TEXT    NOT NULL REFERENCES environments (id),
    thumbprint      TEXT    NOT NULL,
    key             TEXT    NOT NULL,
    retired_by      TEXT    NOT NULL CHECK (retired_by IN ('rebind', 'move')),
    retired_at      INTEGER NOT NULL,
    PRIMARY KEY (thumbprint, environment_id)
) STRICT, WITHOUT ROWID;

-- One-time codes: the public half of the key that the code is the seed of.
CREATE TABLE rebind_codes (
    environment_id  TEXT    PRIMARY KEY REFERENCES environments (id),
    verifier        TEXT    NOT NULL,
    expires_at      INTEGER NOT NULL,
    attempts_left   INTEGER NOT NULL CHECK (attempts_left >= 0)
) STRICT;

-- Rebinds that wait for approval.
CREATE TABLE pending_rebinds (
    environment_id  TEXT    NOT NULL REFERENCES environments (id),
    thumbprint      TEXT    NOT NULL,
    asked_at        INTEGER NOT NULL,
    machine         TEXT    NOT NULL,
    approved_at     INTEGER,
    PRIMARY KEY (environment_id, thumbprint)
) STRICT, WITHOUT ROWID;

-- Off-line releases and moves whose slot was free at once.
CREATE TABLE offline_releases (
    subscription_id TEXT    NOT NULL REFERENCES subscriptions (id),
    environment_id  TEXT    NOT NULL REFERENCES environments (id),
    at              INTEGER NOT NULL
) STRICT;

CREATE INDEX offline_releases_of_subscription ON offline_releases (subscription_id, at);
