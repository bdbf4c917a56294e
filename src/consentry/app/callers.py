"""Makes who may call from the settings: identities, certificates, tokens, addresses."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from consentry.app.settings import Settings
from consentry.app.settings_callers import IdentitySettings, IssuerSettings
from consentry.model.ports import Clock
from consentry.model.values import MICROS_PER_SECOND
from consentry.pdp.url_file import UrlFile
from consentry.server.callers import OPEN, BoundPrincipal, Callers, Identity
from consentry.server.certificates import CertificateFiles, ServerCertificates, end_us_of
from consentry.server.options import Listen, Tls
from consentry.server.token_keys import MAX_JWKS_BYTES, FollowedKeys, KeySetError
from consentry.server.tokens import NO_TOKENS, Issuer, TokenVerifier
from consentry.telemetry.metrics import Metrics


def listens_of(settings: Settings) -> tuple[Listen, ...]:
    """The addresses for gRPC, each with how it is secured."""
    return tuple(
        Listen(
            address=listen.address,
            identity=listen.identity,
            mode=listen.mode,
            group=listen.group,
            tls=Tls.NONE if listen.is_unix else Tls(listen.tls or settings.tls.default),
        )
        for listen in settings.server.listen
    )


def open_certificates(
    settings: Settings, clock: Clock, metrics: Metrics | None = None
) -> ServerCertificates | None:
    """What secured addresses show; None where there are none.

    Raises:
        CertificateError: the files cannot be used.
    """
    tls = settings.tls
    if tls.certificate is None or tls.key is None:
        return None
    files = CertificateFiles(
        certificate=tls.certificate, key=tls.key, client_authorities=tls.client_authorities
    )
    certificates = ServerCertificates(files, clock.now_us)
    if metrics is not None:
        metrics.watch_gauge(
            "certificate_expiry_timestamp_seconds",
            lambda: certificates.expires_us / MICROS_PER_SECOND,
        )
    return certificates


def open_callers(
    settings: Settings, clock: Clock, opening: ExitStack, *, follow: bool = True
) -> Callers:
    """Who may call; `opening` ends what follows issuers' keys, unless none is to `follow`.

    Raises:
        KeySetError: keys in a file cannot be used.
        ValueError: an extra is missing, or a URL may not be used.
    """
    if not settings.identities:
        return OPEN
    identities = {name: _identity(name, said) for name, said in settings.identities.items()}
    by_certificate = {
        _as_grpc_tells(certificate): identities[name]
        for name, said in settings.identities.items()
        for certificate in said.certificates
    }
    tokens = None
    if settings.tokens:
        if importlib.util.find_spec("jwt") is None:
            raise ValueError(NO_TOKENS)
        issuers = [_issuer(said, settings, identities, clock) for said in settings.tokens]
        tokens = TokenVerifier(issuers, clock.now_us)
        for issuer in issuers if follow else ():
            issuer.keys.start()
            opening.callback(issuer.keys.close)
    return Callers(
        identities=identities,
        by_certificate=by_certificate,
        tokens=tokens,
        now_us=clock.now_us,
        find_end_us=end_us_of,
    )


def _identity(name: str, said: IdentitySettings) -> Identity:
    bound = said.bind_principal
    return Identity(
        name=name,
        rights=said.rights_by_purpose(),
        principal=None
        if bound is None
        else BoundPrincipal(
            id=bound.id or name,
            kind=bound.type,
            roles=frozenset(bound.roles),
            controller=bound.controller,
        ),
    )


def _as_grpc_tells(certificate: str) -> str:
    return certificate.lower() if certificate.startswith("dns:") else certificate


def _issuer(
    said: IssuerSettings, settings: Settings, identities: dict[str, Identity], clock: Clock
) -> Issuer:
    by_sub = {
        token.sub: identities[name]
        for name, each in settings.identities.items()
        for token in each.tokens
        if (token.issuer or said.issuer) == said.issuer
    }
    return Issuer(
        name=said.issuer,
        audiences=said.audience,
        keys=open_keys(said, clock),
        identities=by_sub,
        algorithms=said.algorithms,
        skew_s=said.skew_s,
    )


def open_keys(said: IssuerSettings, clock: Clock) -> FollowedKeys:
    """The keys of one issuer: read once where they are in a file, to be fetched elsewhere.

    Raises:
        KeySetError: keys in a file cannot be used.
        ValueError: the URL may not be used.
    """
    keys = FollowedKeys(
        _fetch_of(said),
        name=said.issuer,
        monotonic_s=clock.monotonic_s,
        interval_s=said.keys_interval_s,
        max_age_s=said.keys_max_age_s,
    )
    if said.keys_path is not None:
        try:
            keys.refresh()
        except KeySetError as problem:
            raise KeySetError(f"{said.keys_path}: {problem}") from problem
    return keys


def _fetch_of(said: IssuerSettings) -> Callable[[], bytes]:
    if said.keys_url is not None:
        url = UrlFile(
            said.keys_url,
            what="the key set",
            accept="application/jwk-set+json, application/json, */*",
            max_bytes=MAX_JWKS_BYTES,
            authorities=said.keys_authorities,
        )
        return url.fetch
    assert said.keys_path is not None  # exactly one of the two, as settings see to
    path: Path = said.keys_path
    return path.read_bytes
