"""Diagnostic codes about files and loading.

They speak of folders, files and the compiling process, which a policy text alone cannot show: so
their `bad` and `good` describe what stands in the folder, as comments of a policy text.
"""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.code_info import CodeInfo


def about_files(code: str, title: str, explanation: str, bad: str, good: str) -> CodeInfo:
    """A code whose examples tell what stands in a folder."""
    return CodeInfo(
        code=code, title=title, explanation=explanation, bad=f"# {bad}\n", good=f"# {good}\n"
    )


CODES: Final[tuple[CodeInfo, ...]] = (
    about_files(
        "F501",
        "the policy folder cannot be read",
        "The folder that the settings name does not exist, is not a folder, or may not be read by"
        " the user that the sidecar runs as. A sidecar that is already deciding goes on with the"
        " last good policy set.",
        "policies/ does not exist",
        "policies/ is a folder that the sidecar's user may read",
    ),
    about_files(
        "F502",
        "the policy folder holds no policy files",
        "Only files whose names end in `.policy` are read, and names that begin with a dot are"
        " skipped. An empty folder is refused rather than taken for a policy set that allows"
        " nothing, since it is mostly a mount that failed.",
        "policies/ holds shop.txt",
        "policies/ holds shop.policy",
    ),
    about_files(
        "F503",
        "a file cannot be read",
        "The file was listed but could not be opened: it may not be read by the sidecar's user, it"
        " went away meanwhile, or it is a link that leads nowhere.",
        "policies/shop.policy has mode 0000",
        "policies/shop.policy has mode 0644",
    ),
    about_files(
        "F504",
        "a link leads outside the policy folder",
        "Links are followed only where they end inside the folder's own real place, so that a"
        " policy set is what stands in its folder and nothing else.",
        "policies/shop.policy is a link to /etc/shop.policy",
        "policies/shop.policy is a link to policies/common/shop.policy",
    ),
    about_files(
        "F505",
        "not a plain file",
        "A name that ends in `.policy` is a pipe, a socket or a device. Reading one could wait for"
        " ever, so it is refused without being opened for reading.",
        "policies/shop.policy is a named pipe",
        "policies/shop.policy is a file",
    ),
    about_files(
        "F506",
        "a file is not UTF-8 text",
        "Policy files are UTF-8. The label gives the first byte that is not, counted from 0.",
        "policies/shop.policy was saved as Latin-1",
        "policies/shop.policy was saved as UTF-8",
    ),
    about_files(
        "F507",
        "a file begins with a byte order mark",
        "Some editors put an invisible mark before UTF-8 text. It is refused because two files"
        " that look the same would have different digests.",
        "policies/shop.policy begins with the bytes EF BB BF",
        "policies/shop.policy begins with its first word",
    ),
    about_files(
        "F508",
        "a file is too large",
        "One policy file holds at most 1 MiB. Split it: all files of the folder form one set, and"
        " their order does not matter.",
        "policies/shop.policy has 2 MiB",
        "policies/shop_rules.policy and policies/shop_data.policy have 600 KiB each",
    ),
    about_files(
        "F509",
        "too many files",
        "A policy set has at most 1,000 files, in a folder with at most 20,000 names.",
        "policies/ holds 1,001 policy files",
        "policies/ holds 1,000 policy files",
    ),
    about_files(
        "F510",
        "the policy set is too large",
        "All files of a policy set together hold at most 64 MiB.",
        "policies/ holds 100 files of 1 MiB",
        "policies/ holds 60 files of 1 MiB",
    ),
    about_files(
        "F511",
        "a file name is not usable",
        "The name of a file or folder holds bytes that are not UTF-8, or characters that cannot be"
        " printed. Names appear in messages and in answers, so they must be plain text.",
        "policies/shop\\x07.policy",
        "policies/shop.policy",
    ),
    about_files(
        "F512",
        "folders are nested too deep or in a circle",
        "A link to a folder leads back to a folder above it, or folders stand more than 32 deep.",
        "policies/teams/all is a link to policies",
        "policies/teams/all is a folder",
    ),
    about_files(
        "F513",
        "the folder changed while it was read",
        "Files changed between the first and the last look, three times over, so that what was"
        " read might be parts of two versions. The sidecar tries again by itself.",
        "policies/ is written to without a pause",
        "policies/ is swapped in one step, as a ConfigMap or git-sync does",
    ),
    about_files(
        "F520",
        "the compiler failed",
        "Policies are compiled in a process of its own, which ended without a result or could not"
        " be started: often for want of memory. The last good policy set stays. If it happens"
        " again with memory to spare, it is a bug of ours.",
        "the compiling process was killed for want of memory",
        "the pod has memory to spare for one compilation",
    ),
    about_files(
        "F521",
        "compiling took too long",
        "The compiling process did not end within its time. The last good policy set stays and the"
        " sidecar tries again, ever more rarely.",
        "policies/ takes longer to compile than 30 seconds",
        "policies/ compiles within 30 seconds",
    ),
    about_files(
        "F522",
        "the compiled policy set is too large",
        "The result of compiling is bounded, so that a policy set cannot use up the memory of the"
        " sidecar. Sets that name the same fields in many rules grow fastest: use the tree.",
        "policies/ compiles to more than 256 MiB",
        "policies/ compiles to less than 256 MiB",
    ),
    about_files(
        "F523",
        "the compiled policy set could not be put to use",
        "Compiling succeeded and linking the result did not. That is a bug of ours; the last good"
        " policy set stays.",
        "a bug in the compiler",
        "no such bug",
    ),
    about_files(
        "F524",
        "other policy sets are being validated now",
        "Each validation compiles in a process of its own, and only two run at a time, so that they"
        " cannot crowd out what the sidecar is there for. Ask again in a moment.",
        "three policy sets are sent for validation at once",
        "policy sets are sent for validation one after another",
    ),
    about_files(
        "F530",
        "the policy set could not be archived",
        "Every policy set that decides is kept by its digest, so that each decision can be"
        " replayed. Where it cannot be kept, for want of space or of the right to write, it does"
        " not become active.",
        "the state folder is full",
        "the state folder has space",
    ),
    about_files(
        "F540",
        "a translation is not TOML",
        "A file such as `shop.th.toml` holds the texts of a policy set in another language, in"
        " TOML. Texts stand in double quotes, and so does a name with a dot in it.",
        "policies/shop.th.toml holds: [purpose] marketing = no quotes",
        'policies/shop.th.toml holds: [purpose] marketing = "quotes"',
    ),
    about_files(
        "F541",
        "a translation of another shape",
        "A translation has a table for each keyword of the language (`[data]`, `[purpose]`,"
        " `[rule]` and so on), and in it a text for each name.",
        'policies/shop.th.toml holds: [purposes] marketing = "…"',
        'policies/shop.th.toml holds: [purpose] marketing = "…"',
    ),
    about_files(
        "F542",
        "a translation of what is not there",
        "The name is not one that the policies declare with a text: it is misspelt, or it has gone"
        " from the policies. A rule of a regime is named `regime.rule`.",
        'policies/shop.th.toml translates the purpose "marketting"',
        'policies/shop.th.toml translates the purpose "marketing"',
    ),
    about_files(
        "F543",
        "the name of a pack is not a name",
        "A file below `packs/` is a law pack with the name of the file, and `use` can only name it"
        " if that is a name of the language. Tests of a pack stand outside of `packs/`.",
        "policies/packs/House-Law.policy",
        "policies/packs/house_law.policy",
    ),
    about_files(
        "F544",
        "a pack of this name is there already",
        "A pack of your own may not take the place of one that is shipped, nor of another of your"
        " own: `use` would not say which law is meant. To stay with an older text of a shipped"
        " pack, keep it under another name; its regimes keep theirs.",
        "policies/packs/strict.policy",
        "policies/packs/strict_2026.policy",
    ),
    about_files(
        "F545",
        "a pack is not used",
        "The file below `packs/` takes no part in the policy set, since no `use` names it: what it"
        " forbids is not forbidden. This is a warning.",
        "policies/packs/house_law.policy, and no `use house_law`",
        "policies/packs/house_law.policy, and `use house_law`",
    ),
)
