"""What the client raises."""

from __future__ import annotations

import grpc


class ConsentryError(Exception):
    """No answer came. `code` is the gRPC status, None where the fault was found on this side."""

    def __init__(self, message: str, code: grpc.StatusCode | None = None) -> None:
        super().__init__(message)
        self.code = code
