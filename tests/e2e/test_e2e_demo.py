"""The demo tells its story to the end, and says so when it does not hold."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]
EVENTS_OF_THE_STORY = (
    "DENY consent_missing",
    "PERMIT consent_valid",
    "must unsubscribe_link",
    "customer.contact.phone: last 4",
    "DENY consent_withdrawn",
    "DENY spring_break",
    "error[R203]: unknown purpose `marketing.emial`",
    "did you mean `marketing.email`?",
    "1,000 permitted under one policy set and one ledger position",
    "500 checks one after another over Unix socket: p50",
    "500 checks one after another over TCP: p50",
    "consentry_decisions_total{",
    "The story holds, step by step.",
)


def test_demo_tells_its_story_in_order(consentry: Run, tmp_path: Path) -> None:
    told = consentry("demo")

    assert told.returncode == 0, told.stderr
    text = re.sub(r"\s+", " ", told.stdout)
    places = [text.find(event) for event in EVENTS_OF_THE_STORY]
    assert -1 not in places, EVENTS_OF_THE_STORY[places.index(-1)]
    assert places == sorted(places)
    assert told.stderr == ""


def test_demo_names_the_step_that_does_not_hold(consentry: Run, policies: Path) -> None:
    file = policies / "safeguards.policy"
    file.write_text(file.read_text() + 'forbid no_mail "No mail at all" { for marketing.email }\n')

    told = consentry("demo", "--policies", str(policies))

    assert told.returncode == 1
    assert "The story does not hold: step 2" in told.stderr
    assert "the answer should be DENY consent_missing, and is DENY no_mail" in told.stderr


def test_demo_without_policies_is_wrong_usage(consentry: Run, tmp_path: Path) -> None:
    told = consentry("demo", "--policies", str(tmp_path / "absent"))

    assert told.returncode == 2
    assert "absent" in told.stderr


def processes_with(word: str) -> list[str]:
    """Command lines of living processes that mention `word`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended while we looked
            continue
        if word in text:
            found.append(text)
    return found


def test_interrupted_demo_leaves_nothing_behind(
    command: str, project_root: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    environment = {**environment, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    demo = subprocess.Popen(
        [command, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=project_root,
        env=environment,
        # A shell's background job ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(  # noqa: PLW1509 -- this process has one thread
            signal.SIGINT, signal.default_int_handler
        ),
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if "consent_missing" in line:
            break
    assert processes_with(str(tmp_path))

    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=30)

    assert demo.returncode == 130
    assert processes_with(str(tmp_path)) == []
    assert list(tmp_path.glob("consentry-demo-*")) == []
