"""One address for several processes.

TCP: all workers listen on one port with SO_REUSEPORT, and the kernel gives each new connection to
one of them. The parent proves that nobody else has the port and holds it, without listening, for as
long as it lives.

Unix sockets know no such thing. Each worker has a socket of its own, beside the path that callers
know; that path is a link, which the parent moves from one living worker to the next. A connection
follows the link once, when it is made.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from consentry.server.addresses import (
    UNIX_PREFIX,
    AddressInUseError,
    SocketPath,
    open_tcp_socket,
    parse_host_port,
)
from consentry.server.options import Listen

_TURN_S: Final = 0.05


def worker_socket(path: Path, number: int) -> Path:
    """Where the `number`-th worker listens for those who know `path`."""
    return path.with_name(f"{path.name}.{number}")


def _of_worker(text: str, number: int) -> str:
    return f"{UNIX_PREFIX}{worker_socket(Path(text.removeprefix(UNIX_PREFIX)), number)}"


class SharedAddresses:
    """The addresses of all workers, held by their parent."""

    def __init__(
        self, listen: Sequence[Listen], *, insecure_off_loopback: bool, knows_callers: bool = False
    ) -> None:
        """Takes the addresses.

        Raises:
            AddressInUseError: a living server has one of them.
            AddressError: one of them cannot be used.
        """
        self._held: list[socket.socket] = []
        self._paths: list[SocketPath] = []
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None
        told: list[str] = []
        try:
            for each in listen:
                if each.is_unix:
                    told.append(self._take_path(each.address))
                    continue
                is_safe = insecure_off_loopback or each.is_secured(knows_callers=knows_callers)
                told.append(self._take_port(each.address, insecure_off_loopback=is_safe))
        except BaseException:
            self.close()
            raise
        self._listen: Final = tuple(listen)
        self.told: Final = tuple(told)
        """As callers know them, with real ports."""

    def of_worker(self, number: int) -> tuple[Listen, ...]:
        """Where one worker listens."""
        return tuple(
            replace(listen, address=_of_worker(text, number) if listen.is_unix else text)
            for listen, text in zip(self._listen, self.told, strict=True)
        )

    def turn(self, find_living: Callable[[], Sequence[int]]) -> None:
        """Lead new callers of Unix sockets to one living worker after the other, until `close`."""
        if not self._paths:
            return
        self._lead(find_living(), 0)
        self._thread = threading.Thread(
            target=self._run, args=(find_living,), name="consentry-turn", daemon=True
        )
        self._thread.start()

    def _run(self, find_living: Callable[[], Sequence[int]]) -> None:
        turn = 0
        while not self._is_closed.wait(_TURN_S):
            turn += 1
            self._lead(find_living(), turn)

    def _lead(self, living: Sequence[int], turn: int) -> None:
        if not living:
            return
        number = living[turn % len(living)]
        for taken in self._paths:
            new = taken.path.with_name(f"{taken.path.name}.new")
            with suppress(OSError):  # such as a folder that was removed under us
                new.unlink(missing_ok=True)
                # By name alone: the folder may be mounted elsewhere for those who call.
                new.symlink_to(worker_socket(taken.path, number).name)
                new.replace(taken.path)

    def close(self) -> None:
        """Gives the addresses up."""
        self._is_closed.set()
        if self._thread is not None:
            self._thread.join(5.0)
        for taken in self._paths:
            taken.path.with_name(f"{taken.path.name}.new").unlink(missing_ok=True)
            taken.remove()
        for held in self._held:
            held.close()

    def _take_path(self, text: str) -> str:
        path = SocketPath(text, mode=0o600)
        path.claim()
        self._paths.append(path)
        return f"{UNIX_PREFIX}{path.path}"

    def _take_port(self, text: str, *, insecure_off_loopback: bool) -> str:
        address = parse_host_port(text, insecure_off_loopback=insecure_off_loopback)
        # Without SO_REUSEPORT this fails where anybody listens, be it with that option or not.
        probe = open_tcp_socket(address)
        family, where = probe.family, probe.getsockname()
        probe.close()
        held = socket.socket(family, socket.SOCK_STREAM)
        self._held.append(held)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            held.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            held.bind(where)
        except OSError as problem:
            raise AddressInUseError(f"{address}: {os.strerror(problem.errno or 0)}") from problem
        return str(type(address)(address.host, where[1]))
