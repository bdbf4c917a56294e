"""A policy bundle: a policy set in one file, with what it is, what it needs, and who says so.

    manifest.json     format, serial, time, policy digest, SHA-256 of every file and needed pack
    signature.jws     detached signature (RFC 7515, appendix F) over the bytes of the manifest
    files/<name>      the texts, sorted by name

The container is a zip archive without compression. INVARIANT: one bundle has one sequence of bytes.
Reading writes again what it understood and compares, so that a link, a name twice, a comment, bytes
between the members or behind them are refused without a rule for each. Nothing is ever unpacked to
a disk. Source: docs/adr/0031-signed-policy-bundles.md.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from consentry.consent.signing import (
    BadSignatureError,
    PublicKey,
    Signer,
    encode,
    verify,
)
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.pdp.folder import MAX_FILES, SUFFIX, problem

FORMAT: Final = 1
MAX_BUNDLE_BYTES: Final = 80 * 1024 * 1024
MAX_SERIAL: Final = 2**63 - 1
_MAX_MANIFEST_BYTES: Final = 1024 * 1024
_MAX_MEMBER_BYTES: Final = 4 * 1024 * 1024
_MAX_MEMBERS: Final = 2 * MAX_FILES + 2
_MAX_DIRECTORY_BYTES: Final = 2 * 1024 * 1024
_END: Final = struct.Struct("<4sHHHHIIH")
"""How a zip archive ends: mark, disks, counts, size and place of the directory, comment."""

_MANIFEST: Final = "manifest.json"
_SIGNATURE: Final = "signature.jws"
_FILES: Final = "files/"
_MEDIA_TYPE: Final = "consentry-bundle+json"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE: Final = 0o100644 << 16
_UNIX: Final = 3
_NOT_OURS: Final = "it is not a bundle as `consentry bundle` writes them"


class BundleError(Exception):
    """A bundle cannot be used; `code` is that of the diagnostic."""

    def __init__(self, code: str, title: str, advice: str = "") -> None:
        super().__init__(title)
        self.code = code
        self.title = title
        self.advice = advice

    def told(self) -> Diagnostic:
        """The same as a diagnostic."""
        return problem(self.code, self.title, advice=self.advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle says of itself. Hashes are SHA-256 in hexadecimal, `created_at` is UTC.

    `files` are the texts by name; `packs` those that come with the program and take part.
    """

    serial: int
    created_at: str
    policy_digest: str
    files: Mapping[str, str]
    packs: Mapping[str, str]

    def raw(self) -> bytes:
        """The one way to write it: this is what is signed."""
        said = {
            "format": FORMAT,
            "serial": self.serial,
            "created_at": self.created_at,
            "policy_digest": self.policy_digest,
            "packs": self.packs,
            "files": self.files,
        }
        return (json.dumps(said, indent=1, sort_keys=True) + "\n").encode("ascii")

    @property
    def digest(self) -> str:
        """SHA-256 of what is signed: the name of this bundle, whoever signed it."""
        return sha256_of(self.raw())


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle in memory; every text has the hash that the manifest says."""

    manifest: Manifest
    texts: Mapping[str, bytes]
    signature: str | None = None

    def raw(self) -> bytes:
        """The bytes of the file; the same bundle always gives the same."""
        members = {_MANIFEST: self.manifest.raw()}
        if self.signature is not None:
            members[_SIGNATURE] = self.signature.encode("ascii")
        members |= {_FILES + name: self.texts[name] for name in sorted(self.texts)}
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
            for name, content in members.items():
                archive.writestr(_member(name), content)
        return written.getvalue()


def build_bundle(
    texts: Mapping[str, bytes],
    *,
    serial: int,
    created_at: str,
    policy_digest: str,
    packs: Iterable[tuple[str, Source]],
) -> Bundle:
    """An unsigned bundle.

    Raises:
        BundleError: something in it is not as `read_bundle` takes it.
    """
    manifest = Manifest(
        serial=serial,
        created_at=created_at,
        policy_digest=policy_digest,
        files={name: sha256_of(content) for name, content in texts.items()},
        packs={name: sha256_of(source.text.encode()) for name, source in packs},
    )
    return read_bundle(Bundle(manifest=manifest, texts=texts).raw())


def sign_bundle(bundle: Bundle, signer: Signer) -> Bundle:
    """The same bundle, signed; a signature that it had is replaced."""
    head, _, signature = signer.sign(bundle.manifest.raw(), _MEDIA_TYPE).split(".")
    return Bundle(manifest=bundle.manifest, texts=bundle.texts, signature=f"{head}..{signature}")


def verify_bundle(bundle: Bundle, keys: Iterable[PublicKey]) -> str:
    """Name of the key, one of `keys`, that signed this bundle.

    Raises:
        BundleError: F548 it is not signed, F549 not by one of these keys, or was changed since.
        SigningUnavailableError: the library is not installed.
    """
    if bundle.signature is None:
        advice = "sign it: consentry bundle sign"
        raise BundleError("F548", "the bundle is not signed", advice)
    head, _, signature = bundle.signature.partition("..")
    try:
        signed = f"{head}.{encode(bundle.manifest.raw())}.{signature}"
        # The text of a signed receipt must not pass for that of a bundle, whoever signed both.
        return verify(signed, keys, media_type=_MEDIA_TYPE).key_id
    except BadSignatureError as error:
        raise BundleError("F549", f"the bundle's signature is not valid: {error}") from error


def read_bundle(raw: bytes, *, max_bytes: int = MAX_BUNDLE_BYTES) -> Bundle:
    """What the bytes hold: whole, consistent and canonical, though not verified.

    Raises:
        BundleError: F547, they are not those of a bundle.
    """
    if len(raw) > max_bytes:
        raise BundleError("F547", f"the bundle is larger than {max_bytes:,} bytes")
    try:
        members = _members(raw)
        manifest = _read_manifest(members.pop(_MANIFEST))
        signature = members.pop(_SIGNATURE, None)
        bundle = Bundle(
            manifest=manifest,
            texts={name.removeprefix(_FILES): content for name, content in members.items()},
            signature=None if signature is None else signature.decode("ascii"),
        )
        is_canonical = _is_consistent(bundle) and bundle.raw() == raw
    except BundleError:
        raise
    except (
        zipfile.BadZipFile,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RuntimeError,
        OverflowError,
        EOFError,
        OSError,
        struct.error,
        RecursionError,
    ) as error:  # fmt: skip - whatever strange bytes make of the two readers
        raise BundleError("F547", f"the bundle cannot be read: {_NOT_OURS}") from error
    if not is_canonical:
        raise BundleError("F547", f"the bundle cannot be read: {_NOT_OURS}")
    return bundle


def sha256_of(raw: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def _member(name: str) -> zipfile.ZipInfo:
    # All that the library would take from this machine is said here.
    member = zipfile.ZipInfo(name, _EPOCH)
    member.create_system = _UNIX
    member.external_attr = _PLAIN_FILE
    member.compress_type = zipfile.ZIP_STORED
    return member


def _refuse_directory(raw: bytes) -> None:
    """Refuses a table of contents that would cost the library much memory to read."""
    end = raw[-_END.size :]
    if len(end) < _END.size or raw[-_END.size - 20 :].startswith(b"PK\x06\x07"):
        raise BundleError("F547", f"the bundle cannot be read: {_NOT_OURS}")
    mark, *_, count, size, _, _ = _END.unpack(end)
    if mark != b"PK\x05\x06" or count > _MAX_MEMBERS or size > _MAX_DIRECTORY_BYTES:
        raise BundleError("F547", f"the bundle cannot be read: {_NOT_OURS}")


def _members(raw: bytes) -> dict[str, bytes]:
    _refuse_directory(raw)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        found = archive.infolist()
        sizes = [member.file_size for member in found]
        if len(found) > _MAX_MEMBERS or any(size > _MAX_MEMBER_BYTES for size in sizes):
            raise BundleError("F547", "the bundle has too many files, or one that is too large")
        # PERF: before anything is read, so that nothing small can be made large.
        if sum(sizes) > len(raw) or any(one.compress_type != zipfile.ZIP_STORED for one in found):
            raise BundleError("F547", f"the bundle cannot be read: {_NOT_OURS}")
        return {member.filename: archive.read(member) for member in found}


def _read_manifest(raw: bytes) -> Manifest:
    if len(raw) > _MAX_MANIFEST_BYTES:
        raise BundleError("F547", "the bundle's manifest is larger than 1 MiB")
    said = json.loads(raw)
    if type(said["format"]) is int and said["format"] != FORMAT:
        advice = "load it with a newer release, or build it with this one"
        raise BundleError("F547", f"the bundle has the format {said['format']}", advice)
    manifest = Manifest(
        serial=said["serial"],
        created_at=said["created_at"],
        policy_digest=said["policy_digest"],
        files=said["files"],
        packs=said["packs"],
    )
    if type(manifest.serial) is not int or not 1 <= manifest.serial <= MAX_SERIAL:
        raise BundleError("F547", "the bundle's serial is no whole number above 0")
    made_at = datetime.strptime(manifest.created_at, _TIME).replace(tzinfo=UTC)
    if made_at.strftime(_TIME) != manifest.created_at:
        raise ValueError("a time has one spelling")
    hashes = (manifest.policy_digest, *manifest.files.values(), *manifest.packs.values())
    if any(len(one) != 64 or one.lower() != one or not bytes.fromhex(one) for one in hashes):
        raise ValueError("a hash is 64 hexadecimal digits")
    return manifest


def _is_consistent(bundle: Bundle) -> bool:
    files = bundle.manifest.files
    return (
        files.keys() == bundle.texts.keys()
        and sum(name.endswith(SUFFIX) for name in files) <= MAX_FILES
        and any(name.endswith(SUFFIX) for name in files)
        and all(_is_usable(name) for name in (*files, *bundle.manifest.packs))
        and all(sha256_of(content) == files[name] for name, content in bundle.texts.items())
    )


def _is_usable(name: str) -> bool:
    """Whether a folder of policies could have a file of this name, below itself."""
    parts = name.split("/")
    return (
        name.isprintable()
        and "\\" not in name
        and not any(part in ("", "..") or part.startswith(".") for part in parts)
    )
