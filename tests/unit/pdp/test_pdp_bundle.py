"""Claims about the file: one bundle has one sequence of bytes, and any other is refused."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from consentry.consent.signing import read_jwk_set
from consentry.pdp import bundle as bundle_module
from consentry.pdp.bundle import Bundle, BundleError, build_bundle, read_bundle, verify_bundle
from tests.support.bundles import CREATED_AT, PERMIT, TREES, Keys, bundle_of


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


def fault_of(raw: bytes, keys: Keys) -> str:
    """Code of what refuses these bytes; empty where nothing does."""
    try:
        verify_bundle(read_bundle(raw), read_jwk_set(keys.public))
    except BundleError as error:
        return error.code
    return ""


def packed(members: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in members.items():
            member = bundle_module._member(name)
            change(member)
            archive.writestr(member, content)
    return written.getvalue()


def members_of(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_same_policies_give_the_same_bytes() -> None:
    plain = {"a.policy": TREES.encode(), "b/ü.policy": PERMIT.encode()}
    made = [
        build_bundle(texts, serial=7, created_at=CREATED_AT, policy_digest="0" * 64, packs=()).raw()
        for texts in (plain, dict(reversed(plain.items())))
    ]

    assert made[0] == made[1]
    # The bytes are a promise to other releases, other machines and other versions of the library.
    assert bundle_module.sha256_of(made[0]) == (
        "35e54b808a2db800cb345021652ce1aa463505872574ba7f29a12292eb6cbbeb"
    )


def test_signed_bundle_is_read_again_as_it_was(keys: Keys) -> None:
    signed = keys.sign(bundle_of())

    again = read_bundle(signed.raw())

    assert again == signed
    assert verify_bundle(again, read_jwk_set(keys.public)) == keys.folder.active_id()


def test_change_of_any_byte_is_refused(keys: Keys, figure: Callable[[str, object], None]) -> None:
    raw = keys.signed()

    assert fault_of(raw, keys) == ""
    passed = [
        (place, bit)
        for place in range(len(raw))
        for bit in (0x01, 0x20, 0x80)
        if not fault_of(raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :], keys)
    ]
    figure("bundle: changes of one bit refused", f"{3 * len(raw) - len(passed)} of {3 * len(raw)}")
    assert passed == []


def test_every_truncation_and_every_addition_is_refused(keys: Keys) -> None:
    raw = keys.signed()

    assert {fault_of(raw[:end], keys) for end in range(len(raw))} == {"F547"}
    assert {fault_of(raw + b"\0", keys), fault_of(b"\0" + raw, keys)} == {"F547"}


def test_texts_cannot_be_exchanged_under_a_signature(keys: Keys) -> None:
    signed = keys.sign(bundle_of())
    other = replace(bundle_of(PERMIT + "# more\n"), signature=signed.signature)

    assert fault_of(other.raw(), keys) == "F549"


def test_unsigned_and_foreign_bundles_are_refused(keys: Keys, tmp_path: Path) -> None:
    assert fault_of(bundle_of().raw(), keys) == "F548"
    assert fault_of(Keys(tmp_path).signed(), keys) == "F549"


def test_signature_for_another_kind_of_text_is_refused(keys: Keys) -> None:
    bundle = bundle_of()
    signer = keys.folder.find_signer()
    assert signer is not None
    head, _, signature = signer.sign(bundle.manifest.raw(), "consent-receipt+json").split(".")

    assert fault_of(replace(bundle, signature=f"{head}..{signature}").raw(), keys) == "F549"


def absolute(member: zipfile.ZipInfo) -> None:
    member.filename = member.filename.replace("files/rules", "/files/rules")


def link(member: zipfile.ZipInfo) -> None:
    member.external_attr = 0o120777 << 16


def compressed(member: zipfile.ZipInfo) -> None:
    member.compress_type = zipfile.ZIP_DEFLATED


def commented(member: zipfile.ZipInfo) -> None:
    member.comment = b"hello"


def dated(member: zipfile.ZipInfo) -> None:
    member.date_time = (2026, 1, 1, 0, 0, 0)


@pytest.mark.parametrize("change", [absolute, link, compressed, commented, dated])
def test_container_of_another_kind_is_refused(
    keys: Keys, change: Callable[[zipfile.ZipInfo], None]
) -> None:
    members = members_of(keys.signed())

    assert fault_of(packed(members, lambda _: None), keys) == ""
    assert fault_of(packed(members, change), keys) == "F547"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_name_twice_is_refused(keys: Keys) -> None:
    written = io.BytesIO(keys.signed())
    with zipfile.ZipFile(written, "a") as archive:
        archive.writestr(bundle_module._member("files/rules.policy"), PERMIT)

    assert fault_of(written.getvalue(), keys) == "F547"


def test_small_file_that_would_become_large_is_refused_unread(keys: Keys) -> None:
    members = members_of(keys.signed()) | {"files/zeros.policy": bytes(3 * 1024 * 1024)}
    raw = packed(members, compressed)

    assert len(raw) < 10_000
    assert fault_of(raw, keys) == "F547"


def test_large_table_of_contents_is_refused_unread(keys: Keys) -> None:
    members = {f"files/{number:06}.policy": b"" for number in range(3_000)}
    raw = packed(members_of(keys.signed()) | members, lambda _: None)
    with_zip64 = raw[:-22] + b"PK\x06\x07" + bytes(16) + raw[-22:]

    for hostile in (raw, with_zip64):
        with pytest.raises(BundleError):
            bundle_module._refuse_directory(hostile)


def test_larger_than_allowed_is_refused(keys: Keys) -> None:
    raw = keys.signed()

    with pytest.raises(BundleError, match="larger than 100 bytes") as raised:
        read_bundle(raw, max_bytes=100)
    assert raised.value.code == "F547"


@pytest.mark.parametrize(
    "name",
    ["/a.policy", "../a.policy", "a/../b.policy", ".a.policy", "a//b.policy", "a\x07.policy"],
)
def test_name_that_leads_elsewhere_cannot_be_built(name: str) -> None:
    with pytest.raises(BundleError) as raised:
        build_bundle(
            {name: b"#"}, serial=1, created_at=CREATED_AT, policy_digest="0" * 64, packs=()
        )
    assert raised.value.code == "F547"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("serial", 0),
        ("serial", True),
        ("serial", 1.0),
        ("serial", 2**63),
        ("created_at", "today"),
        ("created_at", "2026-11-25T12:00:00+00:00"),
        ("policy_digest", "0" * 63),
        ("policy_digest", "A" * 64),
        ("files", {}),
        ("files", []),
        ("format", 2),
        ("format", None),
        ("more", 1),
    ],
)
def test_manifest_of_another_shape_is_refused(key: str, value: object) -> None:
    members = members_of(bundle_of().raw())
    said = json.loads(members["manifest.json"]) | {key: value}
    members["manifest.json"] = (json.dumps(said, indent=1, sort_keys=True) + "\n").encode()

    with pytest.raises(BundleError) as raised:
        read_bundle(packed(members, lambda _: None))
    assert raised.value.code == "F547"


def test_format_of_a_later_release_is_told() -> None:
    members = members_of(bundle_of().raw())
    said = json.loads(members["manifest.json"]) | {"format": 2}
    members["manifest.json"] = json.dumps(said).encode()

    with pytest.raises(BundleError, match="has the format 2"):
        read_bundle(packed(members, lambda _: None))


def test_bundle_without_policies_is_refused() -> None:
    with pytest.raises(BundleError):
        read_bundle(
            Bundle(
                manifest=replace(bundle_of().manifest, files={}),
                texts={},
            ).raw()
        )
