"""The certificate that a sidecar shows, and the authorities of those that callers show.

Files are read again when they change, at a connection's beginning: connections that stand go on,
new ones see the new certificate. A new one that cannot be used (half written, its key not there
yet, expired) is not taken; the one before goes on, and that it does is told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc

from consentry.model.values import MICROS_PER_SECOND
from consentry.server.options import Tls

if TYPE_CHECKING:  # an extra: not there for everybody
    from cryptography.x509 import Certificate

log = logging.getLogger(__name__)

NO_TLS: Final = "TLS needs the extra `tls`: pip install 'consentry[tls]'"
_OTHERS: Final = 0o007


class CertificateError(ValueError):
    """Certificate, key or authorities cannot be used; the text names files and no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """Where they are, in PEM. The chain begins with our own certificate."""

    certificate: Path
    key: Path
    client_authorities: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    chain: bytes
    key: bytes
    authorities: bytes | None
    expires_us: int


class ServerCertificates:
    """What the doors show now. Any thread may use it.

    `_lock` guards what is loaded and how the files looked then; files are read while it is held.
    """

    def __init__(self, files: CertificateFiles, now_us: Callable[[], int]) -> None:
        """Reads the files.

        Raises:
            CertificateError: they cannot be used.
        """
        self._files: Final = files
        self._now_us: Final = now_us
        self._lock: Final = threading.Lock()
        self._seen = self._look()
        self._loaded = self._load()
        self._is_failing = False

    @property
    def expires_us(self) -> int:
        """When the certificate that is shown ends, in microseconds since the epoch."""
        return self.refresh().expires_us

    def credentials(self, tls: Tls) -> grpc.ServerCredentials:
        """What a port is secured with; it follows the files.

        Raises:
            CertificateError: callers are to show certificates, and there are no authorities.
        """
        is_mutual = tls is Tls.MUTUAL
        if is_mutual and self._files.client_authorities is None:
            raise CertificateError("tls: callers' certificates need client_authorities")
        shown = self.refresh()

        def newer() -> grpc.ServerCertificateConfiguration | None:
            # Asked by grpc at each connection's beginning, one at a time.
            nonlocal shown
            latest = self.refresh()
            if latest is shown:
                return None
            shown = latest
            return _configuration(latest, is_mutual=is_mutual)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(shown, is_mutual=is_mutual),
            newer,  # type: ignore[arg-type]  # the stub forgets None: nothing new
            require_client_authentication=is_mutual,
        )

    def refresh(self) -> _Loaded:
        """What is to be shown now: of the files as they are, if those can be used."""
        with self._lock:
            seen = self._look()
            if seen == self._seen and not self._is_failing:
                return self._loaded
            try:
                self._loaded = self._load()
            except (OSError, ValueError) as problem:
                if not self._is_failing or seen != self._seen:
                    log.error("certificate_refused", extra={"why": str(problem)})  # noqa: TRY400
                self._is_failing = True
            else:
                self._is_failing = False
                log.info("certificate_loaded", extra={"expires_us": self._loaded.expires_us})
            self._seen = seen
            return self._loaded

    def _look(self) -> tuple[object, ...]:
        files = self._files
        return tuple(
            _looks(path)
            for path in (files.certificate, files.key, files.client_authorities)
            if path is not None
        )

    def _load(self) -> _Loaded:
        files = self._files
        chain, key = _read(files.certificate), _read(files.key)
        authorities = files.client_authorities
        roots = None if authorities is None else _read(authorities)
        if files.key.stat().st_mode & _OTHERS:
            raise CertificateError(f"{files.key}: everybody may read this key; chmod o-rwx it")
        certificate = _certificates(files.certificate, chain)[0]
        _check_key(files.key, key, certificate)
        if roots is not None and authorities is not None:
            _certificates(authorities, roots)
        begins = _micros(certificate.not_valid_before_utc)
        ends = _micros(certificate.not_valid_after_utc)
        if not begins <= self._now_us() < ends:
            raise CertificateError(f"{files.certificate}: the certificate is not valid now")
        return _Loaded(chain=chain, key=key, authorities=roots, expires_us=ends)


def end_us_of(pem: bytes) -> int:
    """When a certificate ends, in microseconds since the epoch.

    Raises:
        CertificateError: it cannot be read.
    """
    return _micros(_certificates(Path("certificate"), pem)[0].not_valid_after_utc)


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * MICROS_PER_SECOND)


def _configuration(loaded: _Loaded, *, is_mutual: bool) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(loaded.key, loaded.chain)],
        root_certificates=loaded.authorities if is_mutual else None,
    )


def _looks(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise CertificateError(f"{path}: {problem.strerror}") from problem


def _certificates(path: Path, pem: bytes) -> list[Certificate]:
    try:
        from cryptography import x509  # noqa: PLC0415 (an extra)
    except ImportError as problem:
        raise CertificateError(NO_TLS) from problem
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as problem:
        raise CertificateError(f"{path}: no certificate in PEM") from problem


def _check_key(path: Path, pem: bytes, certificate: Certificate) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 (an extra)
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 (an extra)
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise CertificateError(f"{path}: no private key in PEM without a password") from problem
    if key.public_key() != certificate.public_key():
        raise CertificateError(f"{path}: not the key of the certificate")
