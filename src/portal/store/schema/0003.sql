-- Requests in the order in which they come. Their ids begin with the time (UUID version 7), so that those of one commit share the
-- last pages of the table and of its one index. By the signer's key, each of them changed three pages somewhere. An id still counts
-- within its signer's requests, and everything is kept that was kept.

CREATE TABLE requests_new (
    key_thumbprint  TEXT    NOT NULL,
    id              TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    environment_id  TEXT    NOT NULL REFERENCES environments (id),
    received_at     INTEGER NOT NULL,
    request         TEXT    NOT NULL,
    answer          TEXT    NOT NULL,
    PRIMARY KEY (id, key_thumbprint)
) STRICT;

INSERT INTO requests_new
    SELECT key_thumbprint, id, kind, environment_id, received_at, request, answer FROM requests ORDER BY id;
DROP TABLE requests;
ALTER TABLE requests_new RENAME TO requests;
