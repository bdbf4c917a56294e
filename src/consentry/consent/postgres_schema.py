"""Opening PostgreSQL for a ledger: connections that keep our conditions, and the schema's steps.

The schema changes by `consentry ledger migrate` only, never by a node that happens to start. A node
works with every schema from `OLDEST_SCHEMA` to the newest it knows, so that the step can be taken
before or after the nodes are exchanged; steps only add.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consentry.consent.errors import LedgerError, LedgerSchemaError, LedgerUnavailableError
from consentry.consent.event_codec import genesis_digest
from consentry.consent.schema_steps import steps_in

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

OLDEST_SCHEMA: Final = 1
OLDEST_SERVER: Final = 140_000
_LOCK_KEY: Final = int.from_bytes(b"Csnt", "big")
# Said with each connection unless the operator says otherwise. `read-write`: never a standby, which
# may be behind, nor a former primary that knows it is one.
_DEFAULTS: Final = {
    "target_session_attrs": "read-write",
    "connect_timeout": "2",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
    "application_name": "consentry",
}
# The lock on the head is held for a commit; a writer that froze with it must not stop the others.
_SETTINGS: Final = (
    "SET search_path = ''; SET lock_timeout = '2s'; SET statement_timeout = '10s';"
    " SET idle_in_transaction_session_timeout = '2s';"
    " SET default_transaction_isolation = 'read committed'"
)


@contextmanager
def postgres_errors() -> Iterator[None]:
    """Turns PostgreSQL's errors into the ledger's; their texts may hold values and stay here."""
    try:
        yield
    except (pg.UndefinedTable, pg.InvalidSchemaName, pg.UndefinedColumn) as problem:
        raise LedgerSchemaError(_NOT_MIGRATED) from problem
    except psycopg.Error as problem:
        why = problem.sqlstate or type(problem).__name__
        raise LedgerUnavailableError(f"PostgreSQL failed: {why}") from problem


_NOT_MIGRATED: Final = "the database has no ledger yet: run `consentry ledger migrate`"


def dial(conninfo: str) -> Connection:
    """A connection in autocommit, not yet to be used: see `prepare`.

    Raises:
        LedgerUnavailableError: there is no server, or none that takes writes.
    """
    with postgres_errors():
        said = conninfo_to_dict(conninfo)
        return psycopg.connect(
            make_conninfo(conninfo, **{k: v for k, v in _DEFAULTS.items() if k not in said}),
            autocommit=True,
            # Connections may pass through a pooler; a statement kept by name may not.
            prepare_threshold=None,
        )


def prepare(connection: Connection) -> None:
    """Makes a connection one of ours, which commits durably and waits for nothing for ever.

    Raises:
        LedgerUnavailableError: it failed.
        LedgerError: the server does not keep our conditions.
    """
    with postgres_errors():
        _check_server(connection)
        connection.execute(_SETTINGS)


def _check_server(connection: Connection) -> None:
    if connection.info.server_version < OLDEST_SERVER:
        raise LedgerError("PostgreSQL 14 or newer is needed")
    row = connection.execute(
        "SELECT current_setting('synchronous_commit'), current_setting('fsync')"
    ).fetchone()
    if row is None or "off" in row:
        raise LedgerError(
            "synchronous_commit (or fsync) is off: acknowledged events would be lost when the"
            " server fails"
        )


def migrations() -> tuple[tuple[int, str], ...]:
    """The numbered steps of the schema, in order."""
    return steps_in("postgres_migrations")


def find_version(connection: Connection) -> int:
    """The schema's number; 0 where there is none."""
    with postgres_errors():
        row = connection.execute("SELECT to_regclass('consentry.meta') IS NULL").fetchone()
        if row is None or row[0]:
            return 0
        row = connection.execute(
            "SELECT value::int FROM consentry.meta WHERE name = 'schema'"
        ).fetchone()
        return 0 if row is None else int(row[0])


def check_version(connection: Connection) -> None:
    """Does nothing where this program can work with the schema.

    Raises:
        LedgerSchemaError: it is outside of what this program knows.
    """
    version, newest = find_version(connection), migrations()[-1][0]
    if version == 0:
        raise LedgerSchemaError(_NOT_MIGRATED)
    if not OLDEST_SCHEMA <= version <= newest:
        raise LedgerSchemaError(
            f"the ledger has schema {version}; this program works with {OLDEST_SCHEMA} to {newest}"
        )


def migrate(connection: Connection) -> tuple[int, int]:
    """Takes the steps that are missing, each whole or not at all; the number before and after.

    Two at once wait for each other.

    Raises:
        LedgerSchemaError: the schema is of a newer program.
        LedgerUnavailableError: a step failed; those before it stand.
    """
    steps = migrations()
    with postgres_errors():
        connection.execute("SET lock_timeout = '60s'; SET statement_timeout = 0")
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
        before = version = find_version(connection)
        if version > steps[-1][0]:
            raise LedgerSchemaError(
                f"the ledger has schema {version}; this program knows schemas up to {steps[-1][0]}"
            )
        for number, script in steps:
            if number > version:
                _take_step(connection, number, script)
                version = number
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK_KEY,))
    return before, version


def _take_step(connection: Connection, number: int, script: str) -> None:
    with connection.transaction():
        connection.execute(script.encode())
        if number == 1:
            ledger_id = uuid.uuid4().hex
            connection.execute(
                "INSERT INTO consentry.meta VALUES ('ledger_id', %s), ('schema', '0')",
                (ledger_id,),
            )
            connection.execute(
                "INSERT INTO consentry.head (position, digest, received_at_us) VALUES (0, %s, 0)",
                (genesis_digest(ledger_id),),
            )
        connection.execute(
            "UPDATE consentry.meta SET value = %s WHERE name = 'schema'", (str(number),)
        )
