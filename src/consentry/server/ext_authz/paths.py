"""Paths of requests, read in one way or not at all.

A proxy, a framework and a file system read `//`, `%2F`, `..` or `;` each in its own way. Who
decides by a path that the service behind reads differently decides about another record. So a path
that has two readings is refused, and what remains is compared byte for byte, case included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

MAX_PATH_BYTES: Final = 8_192
# Visible ASCII but `"`, `#`, `;`, `<`, `>`, `\`, `^`, a back quote, `{`, `|`, `}`; `%` with digits.
_SPELT: Final = re.compile(r"/(?:[!$&-:=?@A-Z\[\]_a-z~]|%[0-9A-Fa-f]{2})*", re.ASCII)
# What a decoded segment must not hold: it would be read once more, or as something else.
_SECOND_READING: Final = re.compile(r"[\x00-\x1f\x7f/\\%;#?]")
_DOTS: Final = frozenset({".", ".."})
_VARIABLE: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}", re.ASCII)
REST: Final = "**"


def split_path(target: str) -> tuple[str, ...] | None:
    """The decoded segments of a request's path, its query left out; None where it has two readings.

    `/` has no segments; a slash at the end is an empty last segment.
    """
    path = target.partition("?")[0]
    if len(path) > MAX_PATH_BYTES or not _SPELT.fullmatch(path):
        return None
    if path == "/":
        return ()
    written = path[1:].split("/")
    if any(not segment for segment in written[:-1]):
        return None
    segments = []
    for segment in written:
        try:
            decoded = unquote_to_bytes(segment).decode()
        except UnicodeDecodeError:
            return None
        if decoded in _DOTS or _SECOND_READING.search(decoded):
            return None
        segments.append(decoded)
    return tuple(segments)


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A path with variables: `/customers/{customer}/orders/**`; `**` is any rest, but not none."""

    text: str
    segments: tuple[str, ...]
    variables: tuple[str | None, ...]
    has_rest: bool

    @classmethod
    def parse(cls, text: str) -> PathTemplate:
        """The template that `text` writes.

        Raises:
            ValueError: it is none; the text says why.
        """
        if not text.startswith("/"):
            raise ValueError("must begin with /")
        written = text[1:].split("/") if text != "/" else []
        has_rest = bool(written) and written[-1] == REST
        written = written[:-1] if has_rest else written
        variables = []
        for segment in written:
            found = _VARIABLE.fullmatch(segment)
            variables.append(found.group(1) if found else None)
        plain = "/" + "/".join("x" if v else s for s, v in zip(written, variables, strict=True))
        literal = split_path(plain) if written else ()
        if literal is None or any(REST in segment for segment in written):
            raise ValueError(
                "is no path: whole segments, {name} or, at the end, **; nothing that has two"
                " readings"
            )
        names = [name for name in variables if name]
        if len(set(names)) < len(names):
            raise ValueError("has a variable twice")
        return cls(text, literal, tuple(variables), has_rest)

    def match(self, segments: tuple[str, ...]) -> Mapping[str, str] | None:
        """What the variables stand for in a path, None where it is another; never empty texts."""
        count = len(self.segments)
        if len(segments) <= count if self.has_rest else len(segments) != count:
            return None
        found: dict[str, str] = {}
        for literal, variable, segment in zip(
            self.segments, self.variables, segments, strict=False
        ):
            if variable is None:
                if literal != segment:
                    return None
            elif not segment:
                return None
            else:
                found[variable] = segment
        return found
