"""The demo's narrator holds the story to its word."""

from __future__ import annotations

import io

import pytest

from consentry.app.demo.caller import fields_of
from consentry.app.demo.narrator import Narrator, StepFailedError
from consentry.app.output import Console


def narrator() -> tuple[Narrator, io.StringIO]:
    stream = io.StringIO()
    return Narrator(Console(stream, has_colour=False)), stream


def test_step_that_differs_is_named() -> None:
    teller, _ = narrator()

    with pytest.raises(StepFailedError) as caught, teller.step("First"):
        teller.expect("the answer", "PERMIT", "DENY")

    assert str(caught.value) == "step 1 (First): the answer should be DENY, and is PERMIT"


def test_step_that_breaks_is_named_with_its_cause() -> None:
    teller, _ = narrator()
    with teller.step("First"):
        pass

    problem = pytest.raises(StepFailedError, match=r"step 2 \(Second\): OSError: no disk")
    with problem, teller.step("Second"):
        raise OSError("no disk")


def test_exchange_shows_who_asked_what_and_the_answer() -> None:
    teller, stream = narrator()

    teller.show("support", "may I?", "DENY x", is_good=False)

    assert stream.getvalue() == "   support   may I?\n             -> DENY x\n"


def test_words_become_the_clients_own_values() -> None:
    fields = fields_of(
        {"principal": "job:nightly", "roles": ["a"], "subject": "s", "subject_attributes": {"x": 1}}
    )

    assert (fields["principal"].type, fields["principal"].id) == ("job", "nightly")
    assert fields["principal"].roles == ("a",)
    assert (fields["subject"].id, fields["subject"].attributes) == ("s", {"x": 1})
    assert "roles" not in fields
