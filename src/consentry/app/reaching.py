"""How a command reaches a running sidecar that asks who calls: flags shared by all that do."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from consentry.client.transport import Tls, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What connections are secured with, and what they show. A token is no part of its text."""

    tls: Tls | None = None
    token: Token | None = None


PLAIN = Reach()


def add_reach(parser: argparse.ArgumentParser) -> None:
    """The flags that say who calls; secrets are in files, since others can read command lines."""
    add = parser.add_argument_group("where the sidecar asks who calls").add_argument
    add("--ca", type=Path, metavar="FILE", help="authorities of its certificate, PEM: use TLS")
    add("--certificate", type=Path, metavar="FILE", help="certificate to show, PEM")
    add("--key", type=Path, metavar="FILE", help="its private key, PEM")
    add("--token-file", type=Path, metavar="FILE", help="bearer token to show")


def reach_of(options: argparse.Namespace) -> Reach:
    """What the flags say.

    Raises:
        OSError: a file cannot be read.
        ValueError: a certificate without its key, or either without authorities.
    """
    if (options.certificate is None) != (options.key is None):
        raise ValueError("--certificate and --key go together")
    if options.certificate is not None and options.ca is None:
        raise ValueError("--certificate needs --ca")
    tls = None
    if options.ca is not None:
        tls = Tls(
            roots=options.ca.read_bytes(),
            key=None if options.key is None else options.key.read_bytes(),
            certificate=None if options.certificate is None else options.certificate.read_bytes(),
        )
    file = options.token_file
    return Reach(tls=tls, token=None if file is None else file.read_text().strip())
