"""A worker as its parent has it: a process and the links to it."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final

from consentry.app.workers.link import Caller, LinkLostError, new_pair, serve
from consentry.app.workers.orders import LINKS
from consentry.pdp.policy_store import LoadResult

log = logging.getLogger(__name__)

_ANSWER_S: Final = 30.0


class Worker:
    """One life of one worker. Any thread may use it; `on_exit` is called from a thread of its own.

    A worker that does not answer its parent for half a minute is killed, so that another takes its
    place.
    """

    def __init__(
        self,
        number: int,
        *,
        counter: int,
        inherited: tuple[int, ...],
        handle: Callable[[Worker, str, Any], Any],
        on_exit: Callable[[Worker, int], None],
    ) -> None:
        """Starts it. It inherits the counter's file and `inherited`, beside its links."""
        self.number: Final = number
        self.started_s: Final = time.monotonic()
        self.is_ready: Final = threading.Event()
        self.is_loaded: Final = threading.Event()
        self.is_gone: Final = threading.Event()
        self.first_load: LoadResult | None = None
        self._handle: Final = handle
        self._on_exit: Final = on_exit
        ours: list[Connection] = []
        theirs: list[socket.socket] = []
        for _ in LINKS:
            mine, other = new_pair()
            ours.append(mine)
            theirs.append(other)
        writes, control, commands, reloads, wakes = ours
        self._commands: Final = Caller(commands)
        self._reloads: Final = Caller(reloads)
        self._wakes: Final = socket.socket(fileno=os.dup(wakes.fileno()))
        wakes.close()
        self._wakes.setblocking(False)
        descriptors = (*(end.fileno() for end in theirs), counter)
        self._process: Final = subprocess.Popen(  # noqa: S603  # this program, numbers of files
            [sys.executable, "-m", "consentry.app.workers.worker", *map(str, descriptors)],
            pass_fds=(*descriptors, *inherited),
            stdin=subprocess.DEVNULL,
        )
        for end in theirs:
            end.close()
        for link in (writes, control):
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()
        threading.Thread(target=self._wait, daemon=True).start()

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._process.pid

    def ask(self, name: str, argument: Any = None) -> Any:
        """What it answers to a command.

        Raises:
            LinkLostError: it is gone, or was killed because it did not answer.
        """
        try:
            return self._commands.call(name, argument, timeout_s=_ANSWER_S)
        except LinkLostError:
            self.kill()
            raise

    def reload(self) -> LoadResult:
        """Has it read the policies again.

        Raises:
            LinkLostError: it is gone.
        """
        result: LoadResult = self._reloads.call("reload")
        return result

    def wake(self) -> None:
        """Tell it that the ledger moved; never waits."""
        # With a full buffer it has been told already.
        with suppress(OSError):
            self._wakes.send(b"\0")

    def kill(self) -> None:
        """End it now."""
        with suppress(OSError):
            self._process.kill()

    def _serve(self, link: Connection) -> None:
        serve(link, self._answer)
        link.close()

    def _answer(self, name: str, argument: Any) -> Any:
        match name:
            case "loaded":
                self.first_load = argument
                self.is_loaded.set()
            case "ready":
                self.is_ready.set()
            case _:
                return self._handle(self, name, argument)
        return None

    def _wait(self) -> None:
        code = self._process.wait()
        self.is_gone.set()
        # Whoever waits for it need wait no longer; `is_gone` tells why.
        self.is_loaded.set()
        self.is_ready.set()
        self._on_exit(self, code)
        self._commands.close()
        self._reloads.close()
        self._wakes.close()
