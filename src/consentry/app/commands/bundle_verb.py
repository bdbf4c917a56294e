"""`consentry bundle`: a policy set in one signed file, and what is in one."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import counted, err, out

if TYPE_CHECKING:
    from consentry.pdp.bundle import Bundle

_EXAMPLES: Final = """\
examples:
  consentry bundle build policies --serial 7 --created-at 2026-11-25T12:00:00Z -o shop.bundle
  consentry bundle sign shop.bundle --keys keys
  consentry bundle verify shop.bundle --keys keys/jwks.json
  consentry bundle inspect shop.bundle --json
  consentry serve --policies shop.bundle --trusted-keys keys/jwks.json

The same policies, serial and time give the same bytes. A sidecar takes no bundle whose serial is
below the highest that was active there: count up, such as with `git rev-list --count HEAD`.
`consentry keys generate --keys keys` makes a key.

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry bundle",
        description="Build, sign, verify and look into signed policy bundles.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser("build", help="write a policy set into one file, unsigned")
    build.add_argument("path", nargs="?", default="policies", metavar="DIR", help="the policies")
    build.add_argument("--serial", type=int, required=True, metavar="N", help="counts up, from 1")
    build.add_argument(
        "--created-at", required=True, metavar="TIME", help="such as 2026-11-25T12:00:00Z"
    )
    sign = actions.add_parser("sign", help="sign a bundle with the newest key of a folder")
    sign.add_argument("file", type=Path, metavar="FILE", help="the bundle")
    sign.add_argument("--keys", type=Path, required=True, metavar="DIR", help="folder of keys")
    verify = actions.add_parser("verify", help="is it whole, and signed by one of these keys?")
    verify.add_argument("file", type=Path, metavar="FILE", help="the bundle")
    verify.add_argument("--keys", type=Path, required=True, metavar="FILE", help="a JWK Set")
    inspect = actions.add_parser("inspect", help="tell what a bundle says, verified or not")
    inspect.add_argument("file", type=Path, metavar="FILE", help="the bundle")
    build.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the bundle")
    sign.add_argument("-o", "--out", type=Path, metavar="FILE", help="default: the same file")
    for action in (build, sign, verify, inspect):
        action.add_argument("--json", action="store_true", help="report as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Runs one action: what is wrong with a bundle is a finding, with a key file wrong usage."""
    from consentry.app.policy_files import show_diagnostics  # noqa: PLC0415 (not for help)
    from consentry.consent.signing import (  # noqa: PLC0415 (as above)
        KeyFileError,
        SigningUnavailableError,
    )
    from consentry.pdp.bundle import BundleError  # noqa: PLC0415 (as above)

    try:
        return _ACTIONS[options.action](options)
    except BundleError as error:
        show_diagnostics(err(), (error.told(),), {})
        return ExitCode.FINDINGS
    except (KeyFileError, SigningUnavailableError, OSError) as error:
        err().line(f"consentry bundle {options.action}: {error}")
        return ExitCode.USAGE


def _build(options: argparse.Namespace) -> int:
    from consentry.app.policy_files import compile_path, show_diagnostics  # noqa: PLC0415
    from consentry.pdp.bundle import build_bundle  # noqa: PLC0415 (not for help)
    from consentry.pdp.sources import read_packs  # noqa: PLC0415 (as above)

    compiled = compile_path(Path(options.path))
    if compiled.has_errors or compiled.result.program is None:
        show_diagnostics(err(), compiled.diagnostics, compiled.sources)
        return ExitCode.FINDINGS
    program, packs = compiled.result.program, read_packs()
    shipped = {source.name for source in packs.values()}
    texts = {s.name: s.text.encode() for s in compiled.sources.values() if s.name not in shipped}
    bundle = build_bundle(
        texts,
        serial=options.serial,
        created_at=options.created_at,
        policy_digest=program.digest,
        packs=[(name, one) for name, one in packs.items() if one.name in program.file_names],
    )
    _write(options.out, bundle.raw())
    return _tell(options, bundle, f"wrote {options.out}")


def _sign(options: argparse.Namespace) -> int:
    from consentry.consent.signing import KeyFileError, KeyFolder  # noqa: PLC0415 (not for help)
    from consentry.pdp.bundle import sign_bundle  # noqa: PLC0415 (as above)

    signer = KeyFolder(options.keys).find_signer()
    if signer is None:
        raise KeyFileError(f"{options.keys} has no key: consentry keys generate --keys DIR")
    bundle = sign_bundle(_read(options.file), signer)
    _write(options.out or options.file, bundle.raw())
    return _tell(options, bundle, f"signed with {signer.public.key_id}")


def _verify(options: argparse.Namespace) -> int:
    from consentry.consent.signing import read_jwk_set  # noqa: PLC0415 (not for help)
    from consentry.pdp.bundle import verify_bundle  # noqa: PLC0415 (as above)

    bundle = _read(options.file)
    key_id = verify_bundle(bundle, read_jwk_set(options.keys))
    return _tell(options, bundle, f"verified with {key_id}", key_id)


def _inspect(options: argparse.Namespace) -> int:
    return _tell(options, _read(options.file), "not verified: see consentry bundle verify")


_ACTIONS: Final = {"build": _build, "sign": _sign, "verify": _verify, "inspect": _inspect}


def _read(path: Path) -> Bundle:
    from consentry.pdp.bundle import read_bundle  # noqa: PLC0415 (not for help)
    from consentry.pdp.policy_source import BundleFile  # noqa: PLC0415 (as above)

    return read_bundle(BundleFile(path).fetch())


def _write(path: Path, raw: bytes) -> None:
    """All of it or nothing: a sidecar may be following this very file."""
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _tell(
    options: argparse.Namespace, bundle: Bundle, done: str, verified_with: str | None = None
) -> int:
    manifest = bundle.manifest
    if options.json:
        out().json(
            {
                "serial": manifest.serial,
                "created_at": manifest.created_at,
                "policy_digest": manifest.policy_digest,
                "manifest_sha256": manifest.digest,
                "is_signed": bundle.signature is not None,
                "verified_with": verified_with,
                "files": dict(manifest.files),
                "packs": dict(manifest.packs),
            }
        )
        return ExitCode.OK
    files = counted(len(manifest.files), "file")
    state = "signed" if bundle.signature is not None else "unsigned"
    out().line(f"serial {manifest.serial} of {manifest.created_at}, {files}, {state}")
    out().line(f"policies {manifest.policy_digest}")
    out().line(f"packs    {', '.join(sorted(manifest.packs)) or 'none'}")
    if options.action == "inspect":
        for name, digest in sorted(manifest.files.items()):
            out().line(f"  {digest[:12]}  {name}")
    out().line(done)
    return ExitCode.OK
