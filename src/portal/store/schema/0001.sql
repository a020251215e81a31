-- Times are whole seconds since 1970. What the portal never searches by is JSON, so that PostgreSQL can hold it as jsonb.

CREATE TABLE subscriptions (
    id              TEXT    PRIMARY KEY,
    -- A digest of the code, by which a request names its subscription.
    activation_id   TEXT    NOT NULL UNIQUE,
    -- The secret itself: the proof in a request is keyed from it. The file is of mode 0600 for this column.
    activation_code TEXT    NOT NULL UNIQUE,
    customer        TEXT    NOT NULL,
    terms           TEXT    NOT NULL,
    standing        TEXT    NOT NULL,
    revision        INTEGER NOT NULL CHECK (revision > 0),
    created_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE environments (
    id              TEXT    PRIMARY KEY,
    subscription_id TEXT    NOT NULL REFERENCES subscriptions (id),
    serial_number   TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    purpose         TEXT    NOT NULL,
    key             TEXT    NOT NULL,
    sequence        INTEGER NOT NULL CHECK (sequence >= 0),
    document_kind   TEXT    CHECK (document_kind IN ('license', 'revocation')),
    document        TEXT,
    made_from       INTEGER NOT NULL,
    chain           TEXT    NOT NULL,
    activated_at    INTEGER NOT NULL,
    seen_at         INTEGER NOT NULL,
    released_at     INTEGER,
    CHECK ((document IS NULL) = (document_kind IS NULL)),
    UNIQUE (subscription_id, serial_number)
) STRICT;

CREATE INDEX environments_in_use ON environments (subscription_id, purpose) WHERE released_at IS NULL;

-- Kept as long as the subscription: a repeated request gets the same answer. An id counts within its signer's requests, so
-- that nobody who saw the id of a request under way can use it up.
CREATE TABLE requests (
    key_thumbprint  TEXT    NOT NULL,
    id              TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    environment_id  TEXT    NOT NULL REFERENCES environments (id),
    received_at     INTEGER NOT NULL,
    request         TEXT    NOT NULL,
    answer          TEXT    NOT NULL,
    PRIMARY KEY (key_thumbprint, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX requests_of_environment ON requests (environment_id, id);

CREATE TABLE audit (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    at              INTEGER NOT NULL,
    actor           TEXT    NOT NULL,
    event           TEXT    NOT NULL,
    subscription_id TEXT    REFERENCES subscriptions (id),
    environment_id  TEXT    REFERENCES environments (id),
    detail          TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_of_subscription ON audit (subscription_id, id);
