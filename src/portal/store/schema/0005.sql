-- Customers' pages.

-- Who is signed in. The cookie's token is kept as a digest only: whoever reads the database signs in as nobody.

CREATE TABLE sessions (
    digest          TEXT    PRIMARY KEY,
    kind            TEXT    NOT NULL CHECK (kind IN ('customer', 'operator')),
    -- The subscription's id, or the operator's name.
    subject         TEXT    NOT NULL,
    -- What every form of the session carries.
    form_token      TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    seen_at         INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_of_subject ON sessions (kind, subject);
CREATE INDEX sessions_ended ON sessions (expires_at);

-- What an environment used, by the newest report of its controller that was verified.
CREATE TABLE usage_reports (
    environment_id  TEXT    PRIMARY KEY REFERENCES environments (id),
    made_at         INTEGER NOT NULL,
    received_at     INTEGER NOT NULL,
    first_day       TEXT    NOT NULL,
    last_day        TEXT    NOT NULL,
    peaks           TEXT    NOT NULL
) STRICT;

-- What visitors may start by themselves: one row, or none.
CREATE TABLE trial_terms (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    terms           TEXT    NOT NULL
) STRICT;

-- Who did: one trial a company and an address.
CREATE TABLE trials (
    company         TEXT    PRIMARY KEY,
    email           TEXT    NOT NULL UNIQUE,
    subscription_id TEXT    NOT NULL REFERENCES subscriptions (id),
    started_at      INTEGER NOT NULL
) STRICT;
