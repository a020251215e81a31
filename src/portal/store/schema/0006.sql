-- What the vendor runs the portal by: operators, API tokens, answers to be repeated, releases that wait for approval, webhooks.

CREATE TABLE operators (
    name            TEXT    PRIMARY KEY,
    -- Argon2id, in PHC form.
    password        TEXT    NOT NULL,
    role            TEXT    NOT NULL CHECK (role IN ('admin', 'support')),
    created_at      INTEGER NOT NULL,
    changed_at      INTEGER NOT NULL,
    disabled_at     INTEGER
) STRICT;

CREATE TABLE api_tokens (
    name            TEXT    PRIMARY KEY,
    -- SHA-256 of the token, which is random: nobody finds it from that.
    digest          TEXT    NOT NULL UNIQUE,
    scopes          TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    revoked_at      INTEGER,
    last_used_at    INTEGER
) STRICT;

-- Answers to requests with an Idempotency-Key, written with the change that they tell of.
CREATE TABLE idempotent_answers (
    token           TEXT    NOT NULL REFERENCES api_tokens (name),
    key             TEXT    NOT NULL,
    -- SHA-256 of method, path and body.
    request         TEXT    NOT NULL,
    status          INTEGER NOT NULL,
    revision        INTEGER,
    -- None: it held a secret that is kept nowhere.
    body            TEXT,
    at              INTEGER NOT NULL,
    PRIMARY KEY (token, key)
) STRICT;

CREATE INDEX idempotent_answers_by_age ON idempotent_answers (at);

-- Releases that customers asked for: those that were done count towards what the terms allow without approval.
CREATE TABLE asked_releases (
    id              TEXT    PRIMARY KEY,
    subscription_id TEXT    NOT NULL REFERENCES subscriptions (id),
    environment_id  TEXT    NOT NULL REFERENCES environments (id),
    reason          TEXT    NOT NULL,
    asked_by        TEXT    NOT NULL,
    asked_at        INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('waits', 'done', 'refused')),
    decided_by      TEXT,
    decided_at      INTEGER,
    answer          TEXT
) STRICT;

CREATE INDEX asked_releases_of_subscription ON asked_releases (subscription_id, asked_at);
CREATE UNIQUE INDEX asked_releases_waiting ON asked_releases (environment_id) WHERE state = 'waits';

CREATE TABLE webhooks (
    id              TEXT    PRIMARY KEY,
    url             TEXT    NOT NULL,
    -- As it signs: whoever reads the database can sign as the portal's webhook does.
    secret          TEXT    NOT NULL,
    -- Names of events, as JSON; an empty list: all.
    events          TEXT    NOT NULL,
    created_at      INTEGER NOT NULL
) STRICT;

-- What waits to be delivered, written with the audit entry that it tells of.
CREATE TABLE webhook_messages (
    id              TEXT    PRIMARY KEY,
    webhook_id      TEXT    NOT NULL REFERENCES webhooks (id),
    event           TEXT    NOT NULL,
    body            TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    tries           INTEGER NOT NULL,
    -- By whom it is being delivered, until when: a process that ends meanwhile keeps no message back.
    claimed_by      TEXT,
    claimed_until   INTEGER,
    last_error      TEXT,
    -- Given up.
    dead_at         INTEGER
) STRICT;

CREATE INDEX webhook_messages_due ON webhook_messages (due_at) WHERE dead_at IS NULL;
CREATE INDEX webhook_messages_of_webhook ON webhook_messages (webhook_id);
