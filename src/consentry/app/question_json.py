"""A question as JSON: the CheckRequest of the wire in protobuf's JSON form."""

from __future__ import annotations

import sys
from pathlib import Path

from google.protobuf.json_format import Parse, ParseError

from consentry.model.request import Request
from consentry.server.decode import decode_request
from consentry.v1 import authorization_pb2 as wire


def read_request(path: str) -> Request:
    """The request in the file, or on standard input for `-`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8 or no CheckRequest in JSON.
        RequestError: what it says breaks a rule of the protocol.
    """
    text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    try:
        message = Parse(text, wire.CheckRequest())
    except ParseError as problem:
        raise ValueError(str(problem)) from None
    return decode_request(message)
