-- From where operators have signed in: there they may go on when others guess at their passwords.
CREATE TABLE operator_networks (
    operator        TEXT    NOT NULL REFERENCES operators (name),
    -- An IPv4 address, or the first of an IPv6 /64.
    network         TEXT    NOT NULL,
    seen_at         INTEGER NOT NULL,
    PRIMARY KEY (operator, network)
) STRICT;
