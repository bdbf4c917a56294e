"""A bundle over HTTPS. What arrives is not trusted for having arrived: the signature decides."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from consentry.pdp.bundle import MAX_BUNDLE_BYTES, BundleError, sha256_of
from consentry.pdp.url_file import UrlError, UrlFile


class BundleUrl:
    """A bundle at a URL; any thread may use it, one exchange runs at a time."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10.0,
        max_bytes: int = MAX_BUNDLE_BYTES,
        authorities: Path | None = None,
    ) -> None:
        """Nothing is fetched yet; `timeout_s` is for a whole exchange.

        Raises:
            ValueError: the URL is not one that may be used.
        """
        self._file: Final = UrlFile(
            url,
            what="the bundle",
            accept="application/zip, */*",
            timeout_s=timeout_s,
            max_bytes=max_bytes,
            authorities=authorities,
        )

    def fetch(self) -> bytes:
        """The bundle as the server has it now.

        Raises:
            BundleError: F555 it cannot be had, F556 not all of it came.
        """
        try:
            return self._file.fetch()
        except UrlError as problem:
            code = "F556" if problem.is_cut_short else "F555"
            raise BundleError(code, problem.title, problem.advice) from problem

    def look(self) -> object:
        """The hash of what the server has now, or why it cannot be told."""
        try:
            return sha256_of(self.fetch())
        except BundleError as error:
            return error.code, error.title
