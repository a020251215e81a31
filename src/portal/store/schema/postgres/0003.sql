-- The tables as SQLite has them after 0001 to 0003, which say what each is for. Texts are compared byte by byte, as SQLite does.

CREATE TABLE subscriptions (
    id              TEXT COLLATE "C" PRIMARY KEY,
    activation_id   TEXT COLLATE "C" NOT NULL UNIQUE,
    activation_code TEXT COLLATE "C" NOT NULL UNIQUE,
    customer        TEXT COLLATE "C" NOT NULL,
    terms           TEXT COLLATE "C" NOT NULL,
    standing        TEXT COLLATE "C" NOT NULL,
    revision        BIGINT NOT NULL CHECK (revision > 0),
    created_at      BIGINT NOT NULL
);

CREATE TABLE environments (
    id              TEXT COLLATE "C" PRIMARY KEY,
    subscription_id TEXT COLLATE "C" NOT NULL REFERENCES subscriptions (id),
    serial_number   TEXT COLLATE "C" NOT NULL,
    name            TEXT COLLATE "C" NOT NULL,
    purpose         TEXT COLLATE "C" NOT NULL,
    key             TEXT COLLATE "C",
    sequence        BIGINT NOT NULL CHECK (sequence >= 0),
    document_kind   TEXT COLLATE "C" CHECK (document_kind IN ('license', 'revocation')),
    document        TEXT COLLATE "C",
    made_from       BIGINT NOT NULL,
    chain           TEXT COLLATE "C" NOT NULL,
    activated_at    BIGINT NOT NULL,
    seen_at         BIGINT NOT NULL,
    released_at     BIGINT,
    slot_held_until BIGINT,
    CHECK ((document IS NULL) = (document_kind IS NULL)),
    CHECK (slot_held_until IS NULL OR released_at IS NOT NULL)
-- Room for a changed row on its own page: an environment's row changes with each of its requests, and no index then.
) WITH (fillfactor = 50);

CREATE INDEX environments_in_use ON environments (subscription_id, purpose)
    WHERE released_at IS NULL OR slot_held_until IS NOT NULL;
CREATE UNIQUE INDEX environments_live ON environments (subscription_id, serial_number) WHERE released_at IS NULL;
CREATE INDEX environments_of_serial ON environments (serial_number, subscription_id);

CREATE TABLE requests (
    key_thumbprint  TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    kind            TEXT COLLATE "C" NOT NULL,
    environment_id  TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    received_at     BIGINT NOT NULL,
    request         TEXT COLLATE "C" NOT NULL,
    answer          TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (id, key_thumbprint)
);

CREATE TABLE audit (
    id              BIGINT PRIMARY KEY,
    at              BIGINT NOT NULL,
    actor           TEXT COLLATE "C" NOT NULL,
    event           TEXT COLLATE "C" NOT NULL,
    subscription_id TEXT COLLATE "C" REFERENCES subscriptions (id),
    environment_id  TEXT COLLATE "C" REFERENCES environments (id),
    detail          TEXT COLLATE "C" NOT NULL
);

CREATE INDEX audit_of_subscription ON audit (subscription_id, id);

CREATE TABLE evidence (
    environment_id  TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    fact_group      TEXT COLLATE "C" NOT NULL,
    source          TEXT COLLATE "C" NOT NULL,
    digest          TEXT COLLATE "C" NOT NULL,
    weight          BIGINT NOT NULL,
    PRIMARY KEY (environment_id, source, digest)
);

CREATE INDEX evidence_of_digest ON evidence (digest);

CREATE TABLE retired_keys (
    environment_id  TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    thumbprint      TEXT COLLATE "C" NOT NULL,
    key             TEXT COLLATE "C" NOT NULL,
    retired_by      TEXT COLLATE "C" NOT NULL CHECK (retired_by IN ('rebind', 'move')),
    retired_at      BIGINT NOT NULL,
    PRIMARY KEY (thumbprint, environment_id)
);

CREATE TABLE rebind_codes (
    environment_id  TEXT COLLATE "C" PRIMARY KEY REFERENCES environments (id),
    verifier        TEXT COLLATE "C" NOT NULL,
    expires_at      BIGINT NOT NULL,
    attempts_left   BIGINT NOT NULL CHECK (attempts_left >= 0)
);

CREATE TABLE pending_rebinds (
    environment_id  TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    thumbprint      TEXT COLLATE "C" NOT NULL,
    asked_at        BIGINT NOT NULL,
    machine         TEXT COLLATE "C" NOT NULL,
    approved_at     BIGINT,
    PRIMARY KEY (environment_id, thumbprint)
);

CREATE TABLE offline_releases (
    subscription_id TEXT COLLATE "C" NOT NULL REFERENCES subscriptions (id),
    environment_id  TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    at              BIGINT NOT NULL
);

CREATE INDEX offline_releases_of_subscription ON offline_releases (subscription_id, at);
