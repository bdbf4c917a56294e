"""The story, step by step. Every step asserts what it tells."""

from __future__ import annotations

import shutil
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from consentry.app.demo.narrator import Narrator
from consentry.app.demo.processes import Department, SidecarProcess

ADA: Final = "customer-4711"
CALLS: Final = 500
BATCH: Final = 1_000

_MAIL: Final[dict[str, object]] = {
    "principal": "service:campaign-mailer",
    "roles": ["marketer"],
    "action": "contact",
    "data": ["customer.contact.email", "customer.profile.name"],
    "subject": ADA,
    "subject_attributes": {"country": "DE"},
    "purpose": "marketing.email",
    "channel": "email",
}
_LOOK_UP: Final[dict[str, object]] = {
    "principal": "person:bo",
    "roles": ["support"],
    "action": "read",
    "data": ["customer.contact.email", "customer.contact.phone", "customer.orders.delivery_note"],
    "subject": ADA,
    "purpose": "service.support",
    "context": {"ticket": "SR-1042"},
}
_COUNT: Final[dict[str, object]] = {
    "principal": "job:nightly-report",
    "action": "read",
    "data": ["customer.number", "customer.orders.total"],
    "purpose": "analytics.reporting",
}
_RECORD: Final = {
    "email": "ada@example.org",
    "phone": "+49 30 5550 0199",
    "delivery_note": "Ring twice, the dog is friendly",
    "allergies": "peanuts",
}
_ADDED_RULE: Final = """
forbid spring_break "No newsletter while we move the warehouse" {
    for marketing.email
}
"""
_METRICS: Final = (
    "consentry_decisions_total",
    "consentry_cache_requests_total",
    "consentry_policy_load_total",
    "consentry_consent_events_total",
    "consentry_ledger_position",
)


class Story:
    """One telling, in a folder of its own. Enter it as a context; leaving ends every process."""

    def __init__(self, narrator: Narrator, policies: Path, folder: Path) -> None:
        self._tell: Final = narrator
        self._policies: Final = policies
        self._folder: Final = folder
        self._stack: Final = ExitStack()
        self._departments: Final[list[Department]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self._stack.close()

    def tell(self) -> None:
        """The whole story.

        Raises:
            StepFailedError: a step did not go as it should; its message names the step.
        """
        with self._tell.step("A shop starts its sidecar, and three departments come to work"):
            self._begin()
        with self._tell.step("The mailer would like to write to Ada, who never agreed"):
            self._ask_without_consent()
        with self._tell.step("Ada says yes, at the support desk"):
            self._give_consent()
        with self._tell.step("Each department sees what its purpose needs, and no more"):
            self._see_masks()
        with self._tell.step("Ada changes her mind, and the very next call knows"):
            self._withdraw()
        with self._tell.step("A new rule is rolled out while calls go on"):
            self._reload_changed()
        with self._tell.step("A broken rule is refused, and the good ones go on deciding"):
            self._reload_broken()
        with self._tell.step(f"Analytics asks {BATCH:,} questions in one call"):
            self._run_batch()
        with self._tell.step("How long it took"):
            self._measure()
        with self._tell.step("What an operator sees"):
            self._read_metrics()
        with self._tell.step("Everybody goes home"):
            self._end()

    def _begin(self) -> None:
        shutil.copytree(self._policies, self._folder / "policies")
        self._sidecar = SidecarProcess(self._folder)
        self._stack.callback(self._sidecar.stop)
        self._sidecar.wait_ready()
        self._mailer = self._hire("marketing", self._sidecar.socket)
        self._support = self._hire("support", self._sidecar.tcp)
        self._analytics = self._hire("analytics", self._sidecar.socket)
        self._privacy = self._hire("privacy", self._sidecar.socket)
        self._digest = str(self._sidecar.ready["digest"])
        self._tell.say(
            f"The sidecar (process {self._sidecar.process_id}) listens on a Unix socket and on "
            f"{self._sidecar.tcp}. Its policy set is {self._digest[:12]}."
        )
        for department in self._departments:
            answer = department.ask("hello")
            self._tell.expect("who answers", answer["process_id"], department.process_id)
        self._tell.say(
            "Marketing, analytics and the privacy office call over the socket, support over TCP; "
            "each is a process of its own."
        )

    def _hire(self, name: str, target: str) -> Department:
        department = Department(name, target, self._folder)
        self._departments.append(department)
        self._stack.callback(department.stop)
        return department

    def _ask(self, who: Department, asks: str, question: dict[str, object]) -> dict[str, Any]:
        answer = who.ask("check", **question)
        effect = "PERMIT" if answer["is_permitted"] else "DENY"
        parts = [f"{effect} {answer['reason']}"]
        parts += [f"{path}: {mask}" for path, mask in answer["masks"].items()]
        parts += [f"must {name}" for name in answer["obligations"]]
        self._tell.show(who.name, asks, "; ".join(parts), is_good=answer["is_permitted"])
        return answer

    def _expect(self, answer: dict[str, Any], *, permitted: bool, reason: str) -> None:
        wanted = f"{'PERMIT' if permitted else 'DENY'} {reason}"
        came = f"{'PERMIT' if answer['is_permitted'] else 'DENY'} {answer['reason']}"
        self._tell.expect("the answer", came, wanted)

    def _ask_without_consent(self) -> None:
        answer = self._ask(self._mailer, "may I e-mail our newsletter to Ada?", _MAIL)
        self._expect(answer, permitted=False, reason="consent_missing")

    def _give_consent(self) -> None:
        recorded = self._support.ask(
            "record",
            kind="given",
            data_subject=ADA,
            purpose="marketing",
            notice="2026-03",
            method="web form",
            key="demo-form-1",
        )
        self._tell.show(
            "support",
            'record: Ada agreed to marketing, under notice "2026-03"',
            f"durable at ledger position {recorded['position']}",
        )
        answer = self._ask(self._mailer, "and now?", _MAIL)
        self._expect(answer, permitted=True, reason="consent_valid")
        self._tell.expect(
            "the obligations", "unsubscribe_link" in answer["obligations"], wanted=True
        )
        self._tell.say(
            f"The mailer may rely on that until {answer['valid_until']} and then asks again."
        )

    def _see_masks(self) -> None:
        answer = self._ask(self._support, "Ada's contact data, for ticket SR-1042?", _LOOK_UP)
        self._expect(answer, permitted=True, reason="contract_necessary")
        wanted = {"customer.contact.phone": "last 4", "customer.orders.delivery_note": "redact"}
        self._tell.expect("the masks", answer["masks"], wanted)
        self._tell.expect("the obligation", "log_the_ticket" in answer["obligations"], wanted=True)
        record = self._support.ask("apply", record=_RECORD, **_LOOK_UP)["record"]
        self._tell.expect("the phone number shown", record["phone"], "•" * 12 + "0199")
        self._tell.expect("the note shown", record["delivery_note"], "[redacted]")
        self._tell.expect("the allergies shown", record.get("allergies"), None)
        shown = ", ".join(f"{key} {value}" for key, value in record.items())
        self._tell.say(f"So the desk's screen shows: {shown}.")
        answer = self._ask(
            self._analytics, "customer number and order total?", {**_COUNT, "subject": ADA}
        )
        self._expect(answer, permitted=True, reason="legitimate_interest")
        wanted = {"customer.number": "hash", "customer.orders.total": "round 10"}
        self._tell.expect("the masks", answer["masks"], wanted)
        prying = {**_COUNT, "subject": ADA, "data": ["customer.contact.email"]}
        answer = self._ask(self._analytics, "her e-mail address as well?", prying)
        self._expect(answer, permitted=False, reason="data_not_necessary")

    def _withdraw(self) -> None:
        recorded = self._support.ask(
            "record",
            kind="withdrawn",
            data_subject=ADA,
            purpose="marketing.email",
            method="telephone call",
            key="demo-call-1",
        )
        self._tell.show(
            "support",
            "record: Ada wants no more e-mail",
            f"durable at ledger position {recorded['position']}",
        )
        answer = self._ask(self._mailer, "may I e-mail our newsletter to Ada?", _MAIL)
        self._expect(answer, permitted=False, reason="consent_withdrawn")
        self._tell.expect(
            "the position known to the answer",
            answer["ledger_position"] >= recorded["position"],
            wanted=True,
        )

    def _reload_changed(self) -> None:
        self._support.ask(
            "record",
            kind="given",
            data_subject="customer-4712",
            purpose="marketing",
            notice="2026-03",
            method="web form",
            key="demo-form-2",
        )
        for_cy = {**_MAIL, "subject": "customer-4712"}
        answer = self._ask(self._mailer, "Cy agreed too: may I e-mail Cy?", for_cy)
        self._expect(answer, permitted=True, reason="consent_valid")
        file = self._sidecar.policies / "marketing.policy"
        self._good = file.read_text(encoding="utf-8")
        file.write_text(self._good + _ADDED_RULE, encoding="utf-8")
        self._tell.quote(_ADDED_RULE.strip())
        loaded = self._privacy.ask("reload")
        self._tell.expect("reloaded", loaded["is_reloaded"], wanted=True)
        self._tell.say(f"Policy set {self._digest[:12]} gave way to {loaded['digest'][:12]}.")
        answer = self._ask(self._mailer, "may I e-mail Cy?", for_cy)
        self._expect(answer, permitted=False, reason="spring_break")
        self._tell.expect("the policy set of the answer", answer["digest"], loaded["digest"])
        self._digest = loaded["digest"]

    def _reload_broken(self) -> None:
        file = self._sidecar.policies / "marketing.policy"
        broken = self._good + _ADDED_RULE.replace("marketing.email", "marketing.emial")
        file.write_text(broken, encoding="utf-8")
        loaded = self._privacy.ask("reload")
        self._tell.expect("reloaded", loaded["is_reloaded"], wanted=False)
        self._tell.expect("the active policy set", loaded["digest"], self._digest)
        self._tell.expect("errors told", len(loaded["diagnostics"]), 1)
        diagnostic = loaded["diagnostics"][0]
        self._tell.quote(diagnostic["rendered"])
        self._tell.expect("the code", diagnostic["code"], "R203")
        self._tell.expect("the file", diagnostic["file"], "marketing.policy")
        for_cy = {**_MAIL, "subject": "customer-4712"}
        answer = self._ask(self._mailer, "may I e-mail Cy?", for_cy)
        self._expect(answer, permitted=False, reason="spring_break")
        file.write_text(self._good, encoding="utf-8")
        loaded = self._privacy.ask("reload")
        self._tell.expect("reloaded", loaded["is_reloaded"], wanted=True)
        answer = self._ask(self._mailer, "the file is mended: may I e-mail Cy?", for_cy)
        self._expect(answer, permitted=True, reason="consent_valid")

    def _run_batch(self) -> None:
        asks = f"order totals of {BATCH:,} customers, whom nobody asked about today?"
        for question in (asks, "the same once more?"):
            answer = self._analytics.ask("batch", count=BATCH, words=_COUNT)
            self._tell.expect("answers", answer["count"], BATCH)
            self._tell.expect("permitted", answer["permitted"], BATCH)
            self._tell.expect("policy sets that answered", answer["digests"], 1)
            self._tell.expect("ledger positions that answered", answer["positions"], 1)
            told = (
                f"{answer['permitted']:,} permitted under one policy set and one ledger position, "
                f"{answer['micros_each']:.1f} us each"
            )
            self._tell.show("analytics", question, told, is_good=True)

    def _measure(self) -> None:
        for who, door in ((self._mailer, "Unix socket"), (self._support, "TCP")):
            question = _MAIL if who is self._mailer else _LOOK_UP
            answer = who.ask("measure", count=CALLS, words=question)
            self._tell.expect("answers", answer["count"], CALLS)
            self._tell.say(
                f"{CALLS} checks one after another over {door}: p50 {answer['p50_us']:,.0f} us, "
                f"p99 {answer['p99_us']:,.0f} us, seen by the caller."
            )
        self._tell.say("Measured here and now, on this machine, with all else that it does.")

    def _read_metrics(self) -> None:
        address = self._sidecar.ready["http"]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as response:
            lines = response.read().decode().splitlines()
        shown = [line for line in lines if line.startswith(_METRICS) and "_created" not in line]
        decided = [line for line in shown if line.startswith("consentry_decisions_total")]
        told = any('reason="consent_withdrawn"' in line for line in decided)
        self._tell.expect("the withdrawal counted", told, wanted=True)
        self._tell.quote("\n".join(shown))

    def _end(self) -> None:
        for department in self._departments:
            self._tell.expect(f"{department.name} left with", department.stop(), 0)
        self._tell.expect("the sidecar left with", self._sidecar.stop(), 0)
        self._tell.say("The sidecar drained and left with status 0. Nothing is left behind.")
