-- The log of events. Rows are written once; docs/adr/0007-ledger-row-format.md says what they hold.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    position       INTEGER NOT NULL PRIMARY KEY,
    key_digest     BLOB NOT NULL UNIQUE,
    content_digest BLOB NOT NULL,
    public         BLOB NOT NULL,
    digest         BLOB NOT NULL
) STRICT;

-- Who it was. A row may be erased; nothing else ever changes.
CREATE TABLE personal (
    position        INTEGER NOT NULL PRIMARY KEY REFERENCES event (position),
    data_subject_id TEXT NOT NULL,
    salt            BLOB NOT NULL,
    personal        BLOB NOT NULL
) STRICT;

CREATE INDEX personal_by_data_subject ON personal (data_subject_id, position);

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN
    SELECT RAISE(ABORT, 'events are never changed');
END;

CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN
    SELECT RAISE(ABORT, 'events are never deleted');
END;

CREATE TRIGGER personal_is_never_changed BEFORE UPDATE ON personal
BEGIN
    SELECT RAISE(ABORT, 'the personal part is erased, never changed');
END;
