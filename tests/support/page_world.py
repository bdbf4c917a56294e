"""The preference page over real sidecars: a ledger node with the page, and its followers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from consentry.client import Client, Decision, Subject, service
from tests.support.sidecar import RunningSidecar, running_sidecar

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("Newsletter", "Letters", "Offers")
MAILER = service("campaign-mailer")


@dataclass(frozen=True, slots=True)
class PageWorld:
    """Where the page is, who follows its ledger, and the key file of its links."""

    node: RunningSidecar
    followers: Sequence[RunningSidecar]
    keys: Path

    def link(self, person: str, *words: str) -> str:
        """A signed link to the person's page, made by the command."""
        verb = [sys.executable, "-m", "consentry.app", "preferences", "link"]
        flags = ["--keys", str(self.keys), "--subject", person, "--url", f"http://{self.node.http}"]
        made = subprocess.run([*verb, *flags, *words], check=True, capture_output=True, text=True)
        return made.stdout.strip()

    def url(self, path: str) -> str:
        """An address on the page's port."""
        return f"http://{self.node.http}{path}"

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str = ""
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers by small names, and text of an answer; nothing is followed or kept."""
        connection = HTTPConnection(self.node.http, timeout=30)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, told, answer.read().decode()
        finally:
            connection.close()


def may_mail(client: Client, person: str) -> Decision:
    """Whether the shop's newsletter may go to the person now."""
    return client.check(
        principal=MAILER,
        action="contact",
        data=("customer.contact.email",),
        subject=Subject(id=person, attributes={"country": "DE"}),
        purpose="marketing.email",
        channel="email",
    )


@contextmanager
def page_world(followers: int = 1, settings: str = "") -> Iterator[PageWorld]:
    """The shop's policies, a page, and sidecars that the page lists; with keys for receipts."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="consentry-page-")))
        sockets = [f"unix:{folder}/{number}.sock" for number in range(followers)]
        keys = folder / "links.key"
        command = [sys.executable, "-m", "consentry.app"]
        for words in (
            ["preferences", "key", "--keys", str(keys)],
            ["keys", "generate", "--keys", str(folder / "receipt-keys")],
        ):
            subprocess.run([*command, *words], check=True, capture_output=True)
        listed = "".join(
            f'"{name}" = "{socket}"\n' for name, socket in zip(NAMES, sockets, strict=False)
        )
        config = folder / "node.toml"
        config.write_text(
            "[ledger]\nserves_feed = true\n"
            f'[receipts]\nkeys_path = "{folder / "receipt-keys"}"\n'
            'address = "Hafenstr. 1, Hamburg"\nlanguage = "en"\nstorage_locations = ["DE"]\n'
            "[explain_page]\nis_enabled = true\n"
            f'[preferences]\nis_enabled = true\nkey_path = "{keys}"\n{settings}'
            f"[preferences.sidecars]\n{listed}",
            encoding="utf-8",
        )
        node = stack.enter_context(
            running_sidecar(ROOT / "policies", folder / "node", "--config", str(config))
        )
        upstream = folder / "follower.toml"
        upstream.write_text(
            f'[ledger]\nkind = "upstream"\nupstream = ["{node.target}"]\n', encoding="utf-8"
        )
        starting = [
            running_sidecar(
                ROOT / "policies",
                folder / f"follower-{number}",
                *("--config", str(upstream), "--listen", socket),
            )
            for number, socket in enumerate(sockets)
        ]
        with ThreadPoolExecutor(max(1, followers)) as pool:  # each takes a second or two
            running = list(pool.map(stack.enter_context, starting))
        yield PageWorld(node, running, keys)
