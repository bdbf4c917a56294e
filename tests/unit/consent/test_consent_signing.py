"""Keys and signatures: what was signed verifies, by us and by others; anything else does not."""

from __future__ import annotations

import json
from pathlib import Path

import jwt
import pytest

from consentry.consent.signing import (
    BadSignatureError,
    KeyFileError,
    KeyFolder,
    PublicKey,
    Signer,
    decode,
    encode,
    peek,
    read_jwk_set,
    verify,
)

# RFC 8037, appendix A: the public key of the example and its thumbprint.
RFC_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_KID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
RFC_JWS = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    made = KeyFolder(tmp_path / "keys")
    made.generate()
    return made


def signer_of(folder: KeyFolder) -> Signer:
    signer = folder.find_signer()
    assert signer is not None
    return signer


def test_key_is_named_by_its_thumbprint_as_the_standard_has_it() -> None:
    assert PublicKey(decode(RFC_X)).key_id == RFC_KID


def test_what_was_signed_is_verified(folder: KeyFolder) -> None:
    signer = signer_of(folder)

    verified = verify(signer.sign(b'{"a":1}', "test+jws"), folder.public_keys())

    assert (verified.payload, verified.key_id) == (b'{"a":1}', signer.public.key_id)


def test_another_library_verifies_it_too(folder: KeyFolder) -> None:
    signer = signer_of(folder)
    text = signer.sign(b'{"a":1}', "test+jws")

    key = jwt.PyJWK(signer.public.jwk()).key
    told = jwt.api_jws.decode_complete(text, key, algorithms=["EdDSA"])

    assert told["payload"] == b'{"a":1}'
    assert told["header"]["kid"] == signer.public.key_id


@pytest.mark.parametrize("part", [0, 1, 2])
def test_one_changed_character_is_found(folder: KeyFolder, part: int) -> None:
    parts = signer_of(folder).sign(b'{"purpose":"marketing"}', "test+jws").split(".")
    for place in range(len(parts[part])):
        changed = list(parts)
        other = "A" if parts[part][place] != "A" else "B"
        changed[part] = parts[part][:place] + other + parts[part][place + 1 :]
        with pytest.raises(BadSignatureError):
            verify(".".join(changed), folder.public_keys())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        "é.b.c",
        f"{encode(b'[]')}.{encode(b'x')}.{encode(b'y')}",
        f"{encode(b'{}')}.{encode(b'x')}.{encode(b'y')}",
        f"{encode(json.dumps({'alg': 'none', 'kid': RFC_KID}).encode())}.{encode(b'x')}.",
        f"{encode(json.dumps({'alg': 'HS256', 'kid': RFC_KID}).encode())}.{encode(b'x')}.AA",
        RFC_JWS,  # genuine, but it does not name its key
    ],
)
def test_what_is_not_signed_by_a_named_key_is_refused(text: str) -> None:
    with pytest.raises(BadSignatureError):
        verify(text, [PublicKey(decode(RFC_X))])


def test_signature_of_another_key_is_refused(folder: KeyFolder, tmp_path: Path) -> None:
    other = KeyFolder(tmp_path / "other")
    other.generate()

    with pytest.raises(BadSignatureError, match="another key"):
        verify(signer_of(other).sign(b"{}", "test+jws"), folder.public_keys())


def test_next_key_signs_and_the_one_before_still_verifies(folder: KeyFolder) -> None:
    before = signer_of(folder)
    old = before.sign(b"{}", "test+jws")

    folder.generate()
    new = signer_of(folder).sign(b"{}", "test+jws")

    keys = folder.public_keys()
    assert len(keys) == 2
    assert verify(old, keys).key_id == before.public.key_id != verify(new, keys).key_id


def test_private_keys_are_their_owners_alone(folder: KeyFolder, tmp_path: Path) -> None:
    (private,) = (tmp_path / "keys").glob("*.pem")
    assert private.stat().st_mode & 0o077 == 0

    private.chmod(0o644)

    with pytest.raises(KeyFileError, match="read by others"):
        folder.find_signer()


def test_folder_without_a_key_signs_nothing(tmp_path: Path) -> None:
    assert KeyFolder(tmp_path).find_signer() is None
    assert KeyFolder(tmp_path).public_keys() == ()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": []}', '{"keys": [{"crv": "Ed25519"}]}',
                                  '{"keys": [{"crv": "Ed25519", "x": "AA"}]}'])  # fmt: skip
def test_set_without_a_usable_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)

    with pytest.raises(KeyFileError):
        read_jwk_set(tmp_path / "keys.json")


def test_what_a_text_says_can_be_looked_at_unverified(folder: KeyFolder) -> None:
    assert peek(signer_of(folder).sign(b"hello", "test+jws")) == b"hello"
