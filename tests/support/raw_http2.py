"""A caller that speaks HTTP/2 frame by frame, to do what a well-behaved library would not."""

from __future__ import annotations

import socket
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event

_PIECE: Final = 65_536


class RawConnection:
    """One connection; nothing is read but by `read`."""

    def __init__(self, target: str, *, timeout_s: float = 20.0) -> None:
        if target.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout_s)
            self.socket.connect(target.removeprefix("unix:"))
        else:
            host, _, port = target.rpartition(":")
            self.socket = socket.create_connection((host, int(port)), timeout=timeout_s)
        configuration = H2Configuration(
            client_side=True, header_encoding="utf-8", validate_outbound_headers=False
        )
        self.h2 = H2Connection(configuration)
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Sends what was asked for."""
        self.socket.sendall(self.h2.data_to_send())

    def open_call(self, method: str, further: tuple[tuple[str, str], ...] = ()) -> int:
        """Headers of a gRPC call, no message yet; the stream's number. Not sent before `flush`."""
        stream = self.h2.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *further,
        ]
        self.h2.send_headers(stream, headers)
        return stream

    def call(self, method: str, message: bytes) -> int:
        """A whole call; the stream's number. Not sent before `flush`."""
        stream = self.open_call(method)
        framed = b"\0" + len(message).to_bytes(4, "big") + message
        self.h2.send_data(stream, framed, end_stream=True)
        return stream

    def read(self) -> list[Event] | None:
        """What came next, None when the other side closed the connection.

        Raises:
            TimeoutError: nothing came.
        """
        try:
            raw = self.socket.recv(_PIECE)
        except ConnectionError:
            return None
        if not raw:
            return None
        events: list[Event] = self.h2.receive_data(raw)
        self.flush_quietly()
        return events

    def flush_quietly(self) -> None:
        """As `flush`; a connection that was closed meanwhile is told by the next `read`."""
        try:
            self.flush()
        except OSError:
            return

    def read_until_closed(self) -> list[Event]:
        """All that comes until the other side says goodbye."""
        events: list[Event] = []
        while (more := self.read()) is not None:
            events += more
            if any(isinstance(event, ConnectionTerminated) for event in more):
                break
        return events

    def close(self) -> None:
        """Closes the socket, whatever is under way."""
        self.socket.close()
