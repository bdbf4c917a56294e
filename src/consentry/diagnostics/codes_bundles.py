"""Diagnostic codes about signed policy bundles: whole, signed by whom, not too old."""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.code_info import CodeInfo
from consentry.diagnostics.codes_files import about_files

CODES: Final[tuple[CodeInfo, ...]] = (
    about_files(
        "F546",
        "the bundle cannot be read",
        "With trusted keys the policies are a signed bundle: one plain file that the sidecar's user"
        " may read. A folder in its place decides nothing, whatever stands in it. The sidecar tries"
        " again by itself.",
        "policies.path leads to a folder, and policies.trusted_keys is set",
        "policies.path leads to shop.bundle",
    ),
    about_files(
        "F547",
        "the file is not a bundle",
        "A bundle has exactly one sequence of bytes for what it holds. A file that was cut short,"
        " changed, packed by another program, or that is larger than allowed is refused, and so is"
        " a format that this release does not know. What was active stays.",
        "shop.bundle was packed by another program",
        "shop.bundle was written by `consentry bundle build`",
    ),
    about_files(
        "F548",
        "the bundle is not signed",
        "Only a bundle that somebody signed is taken. What was active stays.",
        "shop.bundle was built and not signed",
        "shop.bundle was signed with `consentry bundle sign`",
    ),
    about_files(
        "F549",
        "the bundle's signature is not valid",
        "The bundle was signed by a key that is not among the trusted ones, as something else than"
        " a bundle, or was changed after it was signed. What was active stays; the sidecar looks"
        " again when the bundle or the file of trusted keys changes.",
        "shop.bundle was signed by a key that jwks.json does not hold",
        "shop.bundle was signed by a key that jwks.json holds",
    ),
    about_files(
        "F550",
        "the trusted keys cannot be read",
        "The file of trusted keys is a JWK Set with Ed25519 keys, as `consentry keys` writes it."
        " Without it nobody is trusted. Verifying needs the extra `sign`. The sidecar tries again"
        " by itself.",
        "policies.trusted_keys leads to a file that is not there",
        "policies.trusted_keys leads to jwks.json",
    ),
    about_files(
        "F551",
        "the bundle is older than one that was active",
        "The serial of a bundle must not be below the highest that ever was active here: a bundle"
        " of old, properly signed, would bring back what was mended since. To go back, build the"
        " older policies again with a higher serial; in an emergency allow that one serial.",
        "shop.bundle has the serial 6, and 7 was active",
        "shop.bundle has the serial 8, and the policies of 6",
    ),
    about_files(
        "F552",
        "two bundles have the same serial",
        "A bundle with this serial was active, and it was another one. Serials name what is newer,"
        " so each belongs to one bundle. Signing the same bundle with another key is no other"
        " bundle.",
        "two builds of different policies have the serial 7",
        "every build has a serial of its own",
    ),
    about_files(
        "F553",
        "the bundle was built with other packs",
        "A bundle pins the law packs that it was built and tested with. This release has another"
        " text of one of them, so that other decisions would come of it than those that were"
        " tested. Build the bundle again with this release.",
        "shop.bundle was built with a pack of an older release",
        "shop.bundle was built with the release that loads it",
    ),
    about_files(
        "F554",
        "the bundle does not give the digest that it names",
        "Compiling the bundle's texts gave another digest than its manifest names. It was made by"
        " another release, or not by `consentry bundle build`.",
        "shop.bundle was put together by hand",
        "shop.bundle was written by `consentry bundle build`",
    ),
    about_files(
        "F555",
        "the bundle cannot be fetched",
        "The server could not be reached in time, has no valid certificate, answered with another"
        " status than 200 or 304, or sends elsewhere: redirects are refused. What was active stays;"
        " the sidecar tries again by itself.",
        "policies.url leads to a server that redirects",
        "policies.url leads to the bundle itself",
    ),
    about_files(
        "F556",
        "not all of the bundle came",
        "The connection ended before all that was announced had come, or more came than may. What"
        " was active stays; the sidecar tries again by itself.",
        "the server broke off in the middle of shop.bundle",
        "the server sends all of shop.bundle",
    ),
    about_files(
        "F557",
        "the highest serial cannot be kept",
        "The highest serial that was active stands in bundles/highest.json in the state folder."
        " Where it cannot be read or written, going back could not be noticed, so that no bundle"
        " becomes active.",
        "the state folder is full",
        "the state folder has space",
    ),
    about_files(
        "F558",
        "the bundle that was active last is used",
        "The sidecar started while the server of its bundle was away, and took the bundle that was"
        " active last from the state folder: verified anew, by the keys that are trusted now. It is"
        " not confirmed, so with a maximum age the sidecar is not ready until its server answers."
        " This is a warning.",
        "the server is away when the sidecar starts",
        "the server answers when the sidecar starts",
    ),
)
