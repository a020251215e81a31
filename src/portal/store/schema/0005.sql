-- Who is signed in to the pages. The cookie's token is kept as a digest only: whoever reads the database signs in as nobody.

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
