"""A network that can be broken: a TCP proxy that forwards, swallows or cuts."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class TcpProxy:
    """Forwards to a port of this machine until told otherwise. One thread.

    While *partitioned* it takes connections and bytes and passes nothing on: no error, no answer.
    What was swallowed is passed on afterwards, late, as networks do.
    """

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._peers: dict[socket.socket, socket.socket] = {}
        self._held: list[tuple[socket.socket, bytes]] = []
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._is_partitioned = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="tcp-proxy", daemon=True)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()

    def partition(self) -> None:
        """Swallows everything from now on."""
        self._is_partitioned = True

    def heal(self) -> None:
        """Passes on what was swallowed, and everything from now on."""
        with self._lock:
            self._is_partitioned = False
            held, self._held = self._held, []
            for to, chunk in held:
                with suppress(OSError):
                    to.sendall(chunk)

    def cut(self) -> None:
        """Closes every connection."""
        with self._lock:
            for one in list(self._peers):
                self._drop(one)

    def close(self) -> None:
        self._is_closed = True
        self._thread.join(5)
        self.cut()
        self._listener.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._is_closed:
            for key, _ in self._selector.select(timeout=0.05):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.fileobj, socket.socket):
                        self._forward(key.fileobj)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._target, timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        for one, other in ((near, far), (far, near)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, one: socket.socket) -> None:
        other = self._peers.get(one)
        if other is None:
            return
        try:
            chunk = one.recv(65_536)
            if not chunk:
                raise ConnectionResetError
            if self._is_partitioned:
                self._held.append((other, chunk))
            else:
                other.sendall(chunk)
        except OSError:
            self._drop(one)

    def _drop(self, one: socket.socket) -> None:
        other = self._peers.pop(one, None)
        for end in (one, other):
            if end is not None:
                self._peers.pop(end, None)
                with suppress(KeyError, ValueError):
                    self._selector.unregister(end)
                end.close()


@contextmanager
def tcp_proxy(target_port: int) -> Iterator[TcpProxy]:
    """A proxy before a port, closed at the end."""
    proxy = TcpProxy(target_port)
    try:
        yield proxy
    finally:
        proxy.close()
