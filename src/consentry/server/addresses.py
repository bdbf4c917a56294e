"""Where a sidecar may listen: its addresses, and proof that no living server is there already.

grpcio takes over the path of a Unix socket without a word, even while another server serves on it.
So a lock file stands beside each socket and is held for as long as the server lives.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

UNIX_PREFIX: Final = "unix:"
_MAX_SOCKET_PATH: Final = 107  # sun_path on Linux, without the final NUL


class AddressError(Exception):
    """An address that cannot be used as it is written."""


class AddressInUseError(AddressError):
    """A living server has this address."""


@dataclass(frozen=True, slots=True)
class HostPort:
    """A TCP address; port 0 asks for any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_host_port(text: str, *, insecure_off_loopback: bool = False) -> HostPort:
    """The address that `text` writes.

    Raises:
        AddressError: it is not `host:port`, or others can reach it in plain text and nobody said
            that this is wanted.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise AddressError(f"{text!r} is not an address: write host:port or unix:/path")
    address = HostPort(host, int(port))
    if not address.is_loopback and not insecure_off_loopback:
        raise AddressError(
            f"{text} can be reached from other machines, without TLS or by callers that nobody"
            " knows; give it TLS and identities, listen on 127.0.0.1 or on a Unix socket, or set"
            " insecure_off_loopback"
        )
    return address


def check_listen(text: str, *, group: str, is_safe: bool) -> None:
    """Comes back where a sidecar could listen at an address, if nobody else does.

    Raises:
        AddressError: it could not; `is_safe` says whether others may reach it.
    """
    if text.startswith(UNIX_PREFIX):
        SocketPath(text, mode=0o600, group=group)
    else:
        parse_host_port(text, insecure_off_loopback=is_safe)


class SocketPath:
    """A Unix socket path that is ours from `claim` to `release`."""

    def __init__(self, text: str, *, mode: int, group: str = "") -> None:
        """`group` is a group's name or number; "": the group of this process.

        Raises:
            AddressError: the path cannot be used, or there is no such group.
        """
        self.path: Final = Path(text.removeprefix(UNIX_PREFIX))
        self._mode = mode
        self._group = None if not group else _group_number(group)
        self._lock: int | None = None
        if not self.path.name or len(os.fsencode(self.path)) > _MAX_SOCKET_PATH:
            raise AddressError(f"{text!r}: a socket path has 1 to {_MAX_SOCKET_PATH} bytes")
        if self.path.name.startswith("\0") or text.startswith("unix://"):
            raise AddressError(f"{text!r}: write unix:/path")

    def claim(self) -> None:
        """Take the path, removing what a dead server left there.

        Raises:
            AddressInUseError: a living server has it.
            AddressError: something that is not a socket is there, or the folder cannot be used.
        """
        lock_path = self.path.with_name(self.path.name + ".lock")
        self._refuse_open_folder()
        try:
            self._lock = os.open(
                lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as problem:
            raise AddressError(f"{lock_path}: {os.strerror(problem.errno or 0)}") from problem
        try:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as problem:
                raise AddressInUseError(f"{self.path}: a living server has it") from problem
            self._remove_stale()
        except BaseException:
            self.release()
            raise

    def _refuse_open_folder(self) -> None:
        """Whoever may write in the folder may put a socket of their own in place of ours."""
        try:
            mode = self.path.parent.stat().st_mode
        except OSError as problem:
            raise AddressError(
                f"{self.path.parent}: {os.strerror(problem.errno or 0)}"
            ) from problem
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise AddressError(f"{self.path.parent}: everybody may write there; chmod o-w it")

    def _remove_stale(self) -> None:
        try:
            kind = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(kind) and not self._is_workers_link():
            raise AddressError(f"{self.path}: is there and is not a socket")
        # The lock is ours, so no sidecar serves here; some other program still may.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(str(self.path)) not in (errno.ECONNREFUSED, errno.ENOENT):
                raise AddressInUseError(f"{self.path}: a living server has it")
        self.path.unlink(missing_ok=True)

    def _is_workers_link(self) -> bool:
        # Workers have sockets beside the path, which is a link to one of them.
        if not self.path.is_symlink():
            return False
        name, _, number = str(self.path.readlink()).rpartition(".")
        return name == self.path.name and number.isascii() and number.isdigit()

    def bind(self, bind: Callable[[str], int]) -> None:
        """Have `bind` make the socket, with our mode from its first moment on."""
        # Another group's bits are not to let our own group in meanwhile.
        first = self._mode if self._group is None else self._mode & 0o700
        before = os.umask(0o777 & ~first)
        try:
            bind(f"{UNIX_PREFIX}{self.path}")
        finally:
            os.umask(before)
        if self._group is not None:
            try:
                os.chown(self.path, -1, self._group)
            except OSError as problem:
                raise AddressError(
                    f"{self.path}: cannot be given to its group: {os.strerror(problem.errno or 0)}"
                ) from problem
        self.path.chmod(self._mode)

    def release(self) -> None:
        """Give the path up; harmless when it is not ours."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def remove(self) -> None:
        """Remove the socket and give the path up."""
        if self._lock is not None:
            self.path.unlink(missing_ok=True)
        self.release()


def _group_number(group: str) -> int:
    if group.isascii() and group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise AddressError(f"there is no group {group!r} on this machine") from None


def open_tcp_socket(address: HostPort) -> socket.socket:
    """A listening socket.

    Raises:
        AddressInUseError: the port is taken.
        AddressError: the host is not one of this machine's.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as problem:
        raise AddressError(f"{address}: {problem.strerror}") from problem
    with contextlib.ExitStack() as undo:
        undo.callback(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _named(address):
            listener.bind(where)
            listener.listen(128)
        undo.pop_all()
    return listener


@contextlib.contextmanager
def _named(address: HostPort) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise AddressInUseError(f"{address}: the port is in use") from problem
        raise AddressError(f"{address}: {problem.strerror}") from problem
