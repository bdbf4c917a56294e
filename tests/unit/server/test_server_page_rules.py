"""Links, sessions and forms of the preference page, and how often somebody may do something."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from starlette.requests import Request
from starlette.responses import Response

from consentry.server.pages.keys import (
    LINK,
    SESSION,
    Grant,
    PageKeyError,
    PageKeys,
    read_page_keys,
)
from consentry.server.pages.limits import RateLimit
from consentry.server.pages.visitors import (
    MAX_SESSION_S,
    Visitor,
    VisitorOptions,
    Visitors,
)

OLD, NEW, FOREIGN = (letter * 40 for letter in (b"o", b"n", b"f"))
NOW_S = 1_780_000_000
KEYS = PageKeys([NEW, OLD])
ADA = Grant(data_subject_id="ada", expires_at_s=NOW_S + 60)


class FakeClock:
    def __init__(self) -> None:
        self.s = float(NOW_S)

    def now_us(self) -> int:
        return int(self.s * 1_000_000)

    def monotonic_s(self) -> float:
        return self.s


def request(
    peer: str = "10.0.0.9", method: str = "GET", headers: tuple[tuple[str, str], ...] = ()
) -> Request:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "method": method, "headers": raw, "client": (peer, 1)})


def visitors(clock: FakeClock | None = None, **options: object) -> Visitors:
    return Visitors(VisitorOptions(**options), KEYS, clock or FakeClock())  # type: ignore[arg-type]  # by name


# --- links ----------------------------------------------------------------------------------


def test_a_link_opens_until_its_end_and_not_after() -> None:
    token = KEYS.sign(LINK, ADA)

    assert KEYS.open(LINK, token, NOW_S + 59) == ADA
    assert KEYS.open(LINK, token, NOW_S + 60) is None


def test_a_link_of_another_key_or_kind_opens_nothing() -> None:
    assert KEYS.open(LINK, PageKeys([FOREIGN]).sign(LINK, ADA), NOW_S) is None
    assert KEYS.open(LINK, KEYS.sign(SESSION, ADA), NOW_S) is None
    assert KEYS.open(SESSION, KEYS.sign(LINK, ADA), NOW_S) is None


def test_a_link_of_the_key_before_still_opens() -> None:
    assert KEYS.open(LINK, PageKeys([OLD]).sign(LINK, ADA), NOW_S) == ADA


def test_every_change_of_a_link_is_noticed() -> None:
    token = KEYS.sign(LINK, ADA)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    for place, letter in enumerate(token[:-1]):  # the last letter may hold unused bits
        other = alphabet[(alphabet.find(letter) + 1) % 64]
        assert KEYS.open(LINK, token[:place] + other + token[place + 1 :], NOW_S) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "ada", "aud": LINK},
        {"aud": LINK, "exp": NOW_S + 60},
        {"sub": "ada", "exp": NOW_S + 60},
        {"sub": "", "aud": LINK, "exp": NOW_S + 60},
        {"sub": "ada", "aud": LINK, "exp": "later"},
        {"sub": "ada", "aud": LINK, "exp": NOW_S + 60, "name": 7},
    ],
)
def test_a_link_without_person_audience_or_end_opens_nothing(claims: dict[str, object]) -> None:
    assert KEYS.open(LINK, jwt.encode(claims, NEW, algorithm="HS256"), NOW_S) is None


def test_a_link_that_needs_no_key_opens_nothing() -> None:
    claims = {"sub": "ada", "aud": LINK, "exp": NOW_S + 60}

    assert KEYS.open(LINK, jwt.encode(claims, None, algorithm="none"), NOW_S) is None


def test_any_library_makes_a_link_from_a_line_of_the_key_file(tmp_path: Path) -> None:
    path = tmp_path / "links.key"
    path.write_text("# of the shop\n" + NEW.decode() + "\n")
    path.chmod(0o600)
    claims = {"sub": "ada", "aud": "consentry-preferences", "exp": NOW_S + 60}

    opened = read_page_keys(path).open(LINK, jwt.encode(claims, NEW.decode()), NOW_S)

    assert opened == ADA


def test_a_key_file_that_anybody_can_read_or_that_is_weak_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "links.key"
    path.write_text("short\n")
    path.chmod(0o600)
    with pytest.raises(PageKeyError, match="32 characters"):
        read_page_keys(path)
    path.write_bytes(NEW)
    path.chmod(0o644)
    with pytest.raises(PageKeyError, match="everybody"):
        read_page_keys(path)


# --- who it is ------------------------------------------------------------------------------


def test_a_login_header_is_believed_from_the_proxy_alone() -> None:
    known = visitors(login_header="X-Customer", trusted_proxies=("10.0.0.0/8",))
    named = (("X-Customer", "ada"),)

    assert known.find(request("10.1.2.3", headers=named)) == Visitor(
        data_subject_id="ada", begun_at_s=None
    )
    assert known.find(request("::ffff:10.1.2.3", headers=named)) is not None
    assert known.find(request("192.0.2.1", headers=named)) is None


def test_a_login_header_that_stands_twice_names_nobody() -> None:
    known = visitors(login_header="X-Customer", trusted_proxies=("10.0.0.0/8",))

    assert known.find(request(headers=(("X-Customer", "ada"), ("X-Customer", "eve")))) is None
    assert known.find(request(headers=(("X-Customer", ""),))) is None


def test_without_a_proxy_the_header_means_nothing() -> None:
    assert visitors().find(request(headers=(("X-Customer", "ada"),))) is None


def cookie_of(answer: Response) -> tuple[str, str]:
    text = answer.headers["set-cookie"]
    return text.partition(";")[0], text


def test_a_session_goes_on_while_it_is_used_and_ends_in_time() -> None:
    clock = FakeClock()
    known = visitors(clock, session_s=100.0)
    visitor = known.open_link(KEYS.sign(LINK, ADA))
    assert visitor is not None
    answer = Response()
    known.keep(visitor, answer)
    cookie, _ = cookie_of(answer)

    clock.s += 99
    assert known.find(request(headers=(("cookie", cookie),))) == visitor
    clock.s += 2
    assert known.find(request(headers=(("cookie", cookie),))) is None


def test_a_session_keeps_the_name_of_its_link() -> None:
    known = visitors()
    named = Grant(data_subject_id="ada", expires_at_s=NOW_S + 60, name="Ada แอดา")
    visitor = known.open_link(KEYS.sign(LINK, named))
    assert visitor is not None
    answer = Response()
    known.keep(visitor, answer)

    found = known.find(request(headers=(("cookie", cookie_of(answer)[0]),)))
    assert found is not None
    assert found.name == "Ada แอดา"
    too_long = Grant(data_subject_id="ada", expires_at_s=NOW_S + 60, name="a" * 10_000)
    assert known.open_link(KEYS.sign(LINK, too_long)) is None


def test_no_session_is_longer_than_the_longest() -> None:
    clock = FakeClock()
    known = visitors(clock, session_s=1_000.0)
    visitor = Visitor(data_subject_id="ada", begun_at_s=NOW_S)
    clock.s += MAX_SESSION_S - 1
    answer = Response()
    known.keep(visitor, answer)
    cookie, _ = cookie_of(answer)

    clock.s += 2
    assert known.find(request(headers=(("cookie", cookie),))) is None


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://privacy.example.com", ("__Host-consentry=", "Secure", "Path=/;")),
        ("", ("consentry=", "Path=/preferences")),
    ],
)
def test_a_session_cookie_is_for_this_page_alone(url: str, wanted: tuple[str, ...]) -> None:
    answer = Response()
    visitors(public_url=url).keep(Visitor(data_subject_id="ada", begun_at_s=NOW_S), answer)
    _, text = cookie_of(answer)

    assert all(part in text + ";" for part in (*wanted, "HttpOnly", "SameSite=lax"))


# --- forms ----------------------------------------------------------------------------------

OURS = "https://privacy.example.com"


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ((("origin", OURS), ("sec-fetch-site", "same-origin")), True),
        ((), True),
        ((("origin", "https://evil.example"),), False),
        ((("origin", "null"),), False),
        ((("origin", OURS), ("sec-fetch-site", "cross-site")), False),
        ((("sec-fetch-site", "same-site"),), False),
    ],
)
def test_a_form_counts_from_our_own_page_only(
    headers: tuple[tuple[str, str], ...], is_ours: bool
) -> None:
    known = visitors(public_url=OURS)
    ada = Visitor(data_subject_id="ada", begun_at_s=NOW_S)

    sent = request(method="POST", headers=headers)
    assert known.is_own_form(sent, ada, known.form_token(ada)) is is_ours


def test_a_form_of_another_person_or_of_long_ago_counts_for_nothing() -> None:
    clock = FakeClock()
    known = visitors(clock, session_s=100.0)
    ada, eve = (Visitor(data_subject_id=name, begun_at_s=NOW_S) for name in ("ada", "eve"))
    token = known.form_token(ada)
    sent = request(method="POST")

    assert known.is_own_form(sent, ada, token)
    assert not known.is_own_form(sent, eve, token)
    for wrong in ("", "x", "1.2", token[:-1], token + "0", token.replace(".", "0.")):
        assert not known.is_own_form(sent, ada, wrong)
    clock.s += 101
    assert not known.is_own_form(sent, ada, token)


# --- limits ---------------------------------------------------------------------------------


def test_a_limit_holds_for_each_name_and_comes_back_with_time() -> None:
    clock = FakeClock()
    limit = RateLimit(3, read_s=clock.monotonic_s)

    assert [limit.allows("ada") for _ in range(4)] == [True, True, True, False]
    assert limit.allows("eve")
    clock.s += 20
    assert [limit.allows("ada") for _ in range(2)] == [True, False]


def test_a_limit_keeps_no_more_names_than_it_may() -> None:
    limit = RateLimit(1, read_s=FakeClock().monotonic_s, max_names=10)
    for number in range(1_000):
        assert limit.allows(f"stranger-{number}")

    assert len(limit._buckets) == 10
