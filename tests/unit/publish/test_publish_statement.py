"""The statement says all that is declared, once, in every form, and links to what it names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import pytest

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.span import Source
from consentry.lang.translations import TextKey
from consentry.model.program import HOUSE, Program
from consentry.pdp.sources import read_packs, read_policy_folder
from consentry.pdp.translations import read_pack_translations, read_translations, texts_in
from consentry.publish.publisher import Format, Publisher, merge_texts
from consentry.publish.wording import UnknownLanguageError, languages, read_phrases

LAWFUL = """
use gdpr
use pdpa_th
use ccpa
mission "We say what we do" { controller "Acme" in "DE" contact "privacy@acme.example" }
data customer "What we hold" { email "E-mail address" as user.contact.email  name as user.name }
purpose news "Tell you what is new" is direct_marketing { basis consent keep 30 days notice "2" }
permit mail_news "We write to people who asked" {
    who service "mailer"  may contact, disclose  data customer.email  for news  via email
    to country "US"
}
forbid never_sold "Nothing is sold" { may sell }
never sold "We never sell" { may sell }
mask short "Only initials" { data customer.name as initials }
oblige say_why "Say why" { for news }
exception for_now "Until the move is over" {
    lifts never_sold  may sell  for news  until 2030-01-01  owner "DPO"  cite "Review 7"
}
"""


class Page(HTMLParser):
    """What a page holds: ids of entries, where links lead, and what it would fetch or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.entries: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.tags: Counter[str] = Counter()
        self.language = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        if "id" in found:
            self.ids[found["id"]] += 1
        if "data-kind" in found:
            self.entries[found["id"]] += 1
        if tag == "a":
            self.links.append(found["href"])
        if tag == "html":
            self.language = found["lang"]
        self.fetched += [found[name] for name in ("src", "srcset", "action") if name in found]
        self.fetched += [found["href"]] if tag == "link" else []


def declared(program: Program) -> list[str]:
    """The anchor of everything that the policies declare."""

    def named(kind: str, rules: Iterable[object]) -> list[str]:
        names = []
        for rule in rules:
            law = program.regimes[rule.regime].name  # type: ignore[attr-defined]
            names.append(f"{kind}-{law}.{rule.name}" if law else f"{kind}-{rule.name}")  # type: ignore[attr-defined]
        return names

    return [
        *(f"purpose-{node.path}" for node in program.purposes),
        *(f"data-{node.path}" for node in program.data),
        *(f"law-{regime.name}" for regime in program.regimes if regime.index != HOUSE),
        *named("rule", program.rules),
        *named("exception", program.exceptions),
        *named("promise", program.promises),
    ]


class Set:
    """A compiled policy set that can be published."""

    def __init__(self, sources: Iterable[Source], translated: Mapping[TextKey, str]) -> None:
        sources, packs = list(sources), read_packs()
        result = compile_policies(sources, packs)
        assert result.program is not None, [d.title for d in result.diagnostics if d.is_error]
        self.program = result.program
        self._publisher = Publisher(self.program, sources, packs.values())
        self._translated = translated

    def publish(self, kind: Format, language: str = "en") -> str:
        return self._publisher.statement(kind, language, self._texts(language)).text

    def missing(self, language: str) -> tuple[TextKey, ...]:
        published = self._publisher.statement(Format.HTML, language, self._texts(language))
        return published.missing

    def _texts(self, language: str) -> Mapping[TextKey, str]:
        packs = [each for found in read_pack_translations().values() for each in found]
        own = self._translated if language != "en" else {}
        return merge_texts(texts_in(language, packs), own)


@pytest.fixture(scope="module")
def shop(project_root: Path) -> Set:
    folder = project_root / "policies"
    translations, problems = read_translations(folder)
    assert problems == ()
    return Set(read_policy_folder(folder)[0], texts_in("th", translations))


@pytest.fixture(scope="module")
def lawful() -> Set:
    return Set([Source("a.policy", LAWFUL)], {})


@pytest.fixture(params=["shop", "lawful"])
def each(request: pytest.FixtureRequest, shop: Set, lawful: Set) -> Set:
    return {"shop": shop, "lawful": lawful}[request.param]


@pytest.mark.parametrize("language", ["en", "th"])
def test_everything_declared_stands_once_in_every_form(
    each: Set, language: str, figure: Callable[[str, object], None]
) -> None:
    wanted = Counter(declared(each.program))
    assert set(wanted.values()) == {1}

    page = Page(each.publish(Format.HTML, language)).entries
    markdown = Counter(re.findall(r'<a id="([^"]+)"></a>', each.publish(Format.MARKDOWN, language)))
    graph = json.loads(each.publish(Format.JSONLD, language))["@graph"]
    nodes = Counter(node["@id"].removeprefix("#") for node in graph) - Counter(["statement"])

    assert page == wanted
    assert markdown == wanted
    assert nodes == wanted
    figure(
        f"statement, {len(each.program.rules)} rules, {language}",
        f"{len(wanted)} declared, {page.total()} in HTML, {markdown.total()} in Markdown, "
        f"{nodes.total()} in JSON-LD",
    )


def test_every_reference_leads_to_something_on_the_page(each: Set) -> None:
    page = Page(each.publish(Format.HTML))

    assert max(page.ids.values()) == 1
    inner = [link for link in page.links if link.startswith("#")]
    assert len(inner) > 10
    assert [link for link in inner if link[1:] not in page.ids] == []
    outer = [link for link in page.links if not link.startswith("#")]
    assert all(link.startswith(("https://", "mailto:")) for link in outer)
    text = each.publish(Format.MARKDOWN)
    anchors = set(re.findall(r'<a id="([^"]+)"></a>', text))
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


def test_references_between_nodes_of_the_graph_lead_to_nodes(each: Set) -> None:
    graph = json.loads(each.publish(Format.JSONLD))["@graph"]
    known = {node["@id"] for node in graph}

    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["@id"]] if set(value) == {"@id"} else []
            return own + [r for part in value.values() for r in references(part)]
        if isinstance(value, list):
            return [r for part in value for r in references(part)]
        return []

    inner = [r for node in graph for r in references(node) if r.startswith("#")]
    assert len(inner) > 10
    assert set(inner) <= known


def test_page_is_one_file_that_fetches_and_runs_nothing(each: Set) -> None:
    text = each.publish(Format.HTML)
    page = Page(text)

    assert page.fetched == []
    assert page.tags["script"] == page.tags["link"] == page.tags["img"] == 0
    assert "url(" not in text
    assert "@import" not in text


def test_page_can_be_read_by_everybody(each: Set) -> None:
    """Landmarks, one first heading, a language, a way past the navigation, light, dark, print."""
    text = each.publish(Format.HTML, "th")
    page = Page(text)

    assert page.language == "th"
    assert page.tags["h1"] == page.tags["main"] == page.tags["header"] == page.tags["footer"] == 1
    assert page.links[0] == "#main"
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert page.tags["details"] == page.tags["summary"]
    assert text.count("<details open>") == page.tags["details"]  # else they would not be printed


@pytest.mark.parametrize("kind", list(Format))
def test_statement_carries_the_digest_and_is_the_same_each_time(each: Set, kind: Format) -> None:
    first, second = each.publish(kind), each.publish(kind)

    assert first == second
    assert each.program.digest in first


def test_shop_is_complete_in_english_and_thai(shop: Set, figure: Callable[..., None]) -> None:
    assert languages() == ("en", "th")
    assert shop.missing("en") == ()
    assert shop.missing("th") == ()
    figure("statement of the shop, untranslated texts", "en 0, th 0")


def test_text_without_a_translation_is_told_and_stands_in_the_policies_language(
    lawful: Set,
) -> None:
    missing = lawful.missing("th")

    assert ("purpose", "news") in missing
    assert ("mission", "text") in missing
    assert not any(kind == "action" for kind, _ in missing)
    text = lawful.publish(Format.HTML, "th")
    assert "Tell you what is new" in text
    assert read_phrases("th")["untranslated"] in text


def test_phrases_of_all_languages_have_the_same_keys_and_places() -> None:
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    english = read_phrases("en")
    for language in languages():
        phrases = read_phrases(language)
        assert phrases.keys() == english.keys()
        assert {k: places(v) for k, v in phrases.items()} == {
            k: places(v) for k, v in english.items()
        }


def test_language_without_phrases_is_refused(lawful: Set) -> None:
    with pytest.raises(UnknownLanguageError):
        lawful.publish(Format.HTML, "xx")


def test_texts_of_policies_are_never_markup() -> None:
    evil = '<script>alert(1)</script> [x](javascript:y) `z` **b** "q"'
    written = evil.replace('"', '\\"')
    policies = Set([Source("a.policy", f"""
        data customer "{written}" {{ email }}
        purpose news "{written}" {{ basis consent }}
        permit mail "{written}" {{
            who service "m" may read data customer for news cite "{written}"
        }}
    """)], {})  # fmt: skip

    page = Page(policies.publish(Format.HTML))
    markdown = policies.publish(Format.MARKDOWN)

    assert page.tags["script"] == 0
    assert re.search(r"(?<!\\)<script", markdown) is None
    assert re.search(r"(?<!\\)\]\(javascript", markdown) is None
    assert evil in policies.publish(Format.JSONLD).encode().decode("unicode_escape")


def test_conditions_and_attributes_of_principals_are_not_published(shop: Set) -> None:
    for kind in Format:
        text = shop.publish(kind)
        assert "SR-*" not in text
        assert "context.ticket" not in text
        assert "principal.region" not in text


def test_benefit_of_a_purpose_is_told_in_each_language(shop: Set) -> None:
    assert "What it brings you: You hear of offers while they last" in shop.publish(Format.MARKDOWN)
    assert "คุณรู้เรื่องข้อเสนอก่อนที่จะหมด" in shop.publish(Format.HTML, "th")
    graph = json.loads(shop.publish(Format.JSONLD))["@graph"]
    assert sum("dpv:hasBenefit" in node for node in graph) == 3


def test_each_purpose_says_how_to_say_no(shop: Set) -> None:
    text = shop.publish(Format.MARKDOWN)

    assert text.count("How to say no") == len(shop.program.purposes)
