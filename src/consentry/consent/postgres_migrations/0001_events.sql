-- The log of events. Rows are written once; docs/adr/0007-ledger-row-format.md says what they hold.

CREATE SCHEMA IF NOT EXISTS consentry;

CREATE TABLE consentry.meta (
    name  text NOT NULL PRIMARY KEY,
    value text NOT NULL
);

-- One row. Who appends holds its lock until the commit, so that the order of positions is the order
-- of commits; the serial kinds of column would hand positions out in another order.
CREATE TABLE consentry.head (
    is_only        boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (is_only),
    position       bigint  NOT NULL,
    digest         bytea   NOT NULL,
    received_at_us bigint  NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE consentry.event (
    position       bigint NOT NULL PRIMARY KEY,
    key_digest     bytea  NOT NULL UNIQUE,
    content_digest bytea  NOT NULL,
    public         bytea  NOT NULL,
    digest         bytea  NOT NULL
);

-- Who it was. A row may be erased; nothing else ever changes. Identifiers are compared as bytes,
-- whatever the database's language is.
CREATE TABLE consentry.personal (
    position        bigint NOT NULL PRIMARY KEY REFERENCES consentry.event (position),
    data_subject_id text COLLATE "C" NOT NULL,
    salt            bytea  NOT NULL,
    personal        bytea  NOT NULL
);

CREATE INDEX personal_by_data_subject ON consentry.personal (data_subject_id, position);

CREATE FUNCTION consentry.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed';
END $$;

CREATE TRIGGER event_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON consentry.event
    FOR EACH STATEMENT EXECUTE FUNCTION consentry.refuse();

CREATE TRIGGER personal_is_never_changed BEFORE UPDATE OR TRUNCATE ON consentry.personal
    FOR EACH STATEMENT EXECUTE FUNCTION consentry.refuse();
