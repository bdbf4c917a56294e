"""How a worker and its parent speak: questions and answers over a socket pair, pickled.

Both ends are processes of one program and one user, one started by the other; nobody else can reach
the pair.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from consentry.consent.errors import LedgerError, LedgerUnavailableError

log = logging.getLogger(__name__)

Handle = Callable[[str, Any], Any]


class LinkLostError(LedgerUnavailableError):
    """The other process is gone, or took too long; what was asked may have been done or not."""


def new_pair() -> tuple[Connection, socket.socket]:
    """One end to use here, and one for the other process to inherit."""
    ours, theirs = socket.socketpair()
    return Connection(ours.detach()), theirs


class Caller:
    """Asks the other process, one question at a time; any thread may."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def call(self, name: str, argument: Any = None, *, timeout_s: float | None = None) -> Any:
        """The answer.

        Raises:
            LinkLostError: there will be none, now or later.
            LedgerError: the other process answers so.
        """
        with self._lock:
            try:
                self._connection.send((name, argument))
                if not self._connection.poll(timeout_s):
                    # What comes late would be taken for the answer to another question.
                    self._connection.close()
                    raise LinkLostError("the other process does not answer")
                answer = self._connection.recv()
            except (OSError, EOFError) as problem:
                raise LinkLostError("the other process is gone") from problem
        if isinstance(answer, LedgerError):
            raise answer
        return answer

    def close(self) -> None:
        """Ask no more."""
        self._connection.close()


def serve(connection: Connection, handle: Handle) -> None:
    """Answers the other process's questions until it is gone."""
    while True:
        try:
            name, argument = connection.recv()
        except (OSError, EOFError):
            return
        try:
            answer = handle(name, argument)
        except LedgerError as problem:
            answer = problem
        except Exception as problem:  # noqa: BLE001  # a bug; its text may hold what a caller sent
            log.error(  # noqa: TRY400  # for the same reason without a trace
                "worker_request_failed", extra={"error_class": type(problem).__name__, "ask": name}
            )
            answer = LedgerUnavailableError("the other process failed")
        try:
            connection.send(answer)
        except OSError:
            return
