"""The statement of the very policy set that decides, written when it is asked for and kept.

What is served names the digest of the set that it was written from, and that set is the active one
at the moment of asking: a served page and the enforced policy cannot differ.

Locks: `_lock` is held while writing, so that many who ask at once wait for one piece of work; it
guards `_kept`, `_translated` and `_publisher`. `_versions_lock` guards what was active before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from consentry.diagnostics.span import Source
from consentry.lang.translations import TextKey, Translation
from consentry.model.ports import Clock
from consentry.model.program import Program
from consentry.pdp.errors import NotReadyError
from consentry.pdp.retired import parts_of
from consentry.pdp.translations import texts_in
from consentry.publish.proof import Figures
from consentry.publish.publisher import MEDIA_TYPES, Format, Publisher, merge_texts
from consentry.publish.wording import Wording, languages

MAX_AGE_S: Final = 60.0
"""How long a page is kept though its set still decides: translations may have changed."""
PAGE: Final = "/transparency"


class ActiveSet(Protocol):
    """The active policy set."""

    @property
    def program(self) -> Program:
        """What decides."""
        ...

    @property
    def sources(self) -> Sequence[Source]:
        """Its texts, without packs."""
        ...


class Policies(Protocol):
    """Where the active policy set stands."""

    @property
    def current(self) -> ActiveSet | None:
        """The set that decides now; None before the first load."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A statement as it goes out."""

    text: str
    media_type: str
    language: str
    digest: str
    missing: tuple[TextKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Where texts beside the policies come from.

    `packs` are those that a set may use. `translations` reads what stands beside the policies now,
    `pack_translations` are those of the packs.
    """

    packs: Mapping[str, Source]
    translations: Callable[[], Iterable[Translation]]
    pack_translations: tuple[Translation, ...]

    def translated(self, language: str) -> Mapping[TextKey, str]:
        """All texts in one language."""
        return merge_texts(
            texts_in(language, self.pack_translations), texts_in(language, self.translations())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A statement, and what it was written from and when."""

    active: ActiveSet
    figures: Figures | None
    at_s: float
    served: Served


class Statements:
    """Statements of the active set; any thread may ask."""

    def __init__(
        self,
        *,
        policies: Policies,
        texts: Texts,
        clock: Clock,
        find_before: Callable[[str], Program | None] = lambda _digest: None,
        let_go: Callable[[list[object]], None] = list.clear,
    ) -> None:
        """`find_before` gives the set that was active before one, by digest, in a process before
        this one; `let_go` frees the parts of one that is not needed here any more.
        """
        self._policies: Final = policies
        self._texts: Final = texts
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._versions_lock: Final = threading.Lock()
        self._publisher: tuple[ActiveSet, Publisher] | None = None
        self._kept: dict[tuple[Format, str, bool], _Kept] = {}
        self._translated: dict[str, tuple[float, Mapping[TextKey, str]]] = {}
        self._find_before: Final = find_before
        self._let_go: Final = let_go
        self._looked_for = ""
        self._last: Program | None = None
        self._before: Program | None = None

    def get(
        self,
        kind: Format,
        language: str,
        *,
        previous: Program | None = None,
        figures: Figures | None = None,
    ) -> Served:
        """The statement of the set that decides now; a page carries `figures`, where there are any.

        With `previous` it tells what changed since that set, else since the one that was active
        before, if any is known.

        Raises:
            NotReadyError: no policy set is loaded.
            UnknownLanguageError: there are no phrases in this language.
        """
        active = self._policies.current
        if active is None:
            raise NotReadyError("no policy set is loaded")
        before = previous if previous is not None else self._before_of(active.program)
        if previous is not None:
            return self._write(active, kind, language, before)
        with self._lock:
            now_s = self._clock.monotonic_s()
            key = (kind, language, figures is not None)
            kept = self._kept.get(key)
            # By the figures themselves, since a page must not make them older than they may be.
            if (
                kept is not None
                and kept.active is active
                and kept.figures is figures
                and now_s - kept.at_s < MAX_AGE_S
            ):
                return kept.served
            served = self._write(active, kind, language, before, figures)
            self._kept[key] = _Kept(active=active, figures=figures, at_s=now_s, served=served)
            return served

    def words(self, language: str) -> tuple[Program, Wording]:
        """The set that decides now, and its texts in one language; for one page.

        Raises:
            NotReadyError: no policy set is loaded.
            UnknownLanguageError: there are no phrases in this language.
        """
        active = self._policies.current
        if active is None:
            raise NotReadyError("no policy set is loaded")
        with self._lock:
            now_s = self._clock.monotonic_s()
            kept = self._translated.get(language)
            if kept is None or now_s - kept[0] >= MAX_AGE_S:
                kept = self._translated[language] = (now_s, self._texts.translated(language))
            publisher = self._publisher_of(active)
        return active.program, publisher.wording(language, kept[1])

    def _publisher_of(self, active: ActiveSet) -> Publisher:
        made = self._publisher
        if made is None or made[0] is not active:
            publisher = Publisher(active.program, active.sources, self._texts.packs.values())
            made = self._publisher = (active, publisher)
        return made[1]

    def _before_of(self, program: Program) -> Program | None:
        before = self._note(program)
        if before is not None or self._looked_for == program.digest:
            return before
        found = self._find_before(program.digest)  # may compile: no lock is held
        with self._versions_lock:
            self._looked_for = program.digest
            if self._before is None and self._last is not None:
                self._before = found if self._last.digest == program.digest else None
            return self._before

    def _note(self, program: Program) -> Program | None:
        """The set that was active before this one, as far as anyone asked."""
        with self._versions_lock:
            if self._last is None or self._last.digest != program.digest:
                self._before, self._last = self._last, program
            return self._before

    def note_change(self, active: ActiveSet) -> None:
        """Takes note that this set is active now, and frees the one before the last."""
        with self._lock:  # what was written from other sets is not asked for again
            self._kept = {key: kept for key, kept in self._kept.items() if kept.active is active}
            if self._publisher is not None and self._publisher[0] is not active:
                self._publisher = None
        with self._versions_lock:
            oldest = None if self._before is None else parts_of(self._before)
        self._note(active.program)
        if oldest is not None:
            self._let_go(oldest)

    def _write(
        self,
        active: ActiveSet,
        kind: Format,
        language: str,
        before: Program | None,
        figures: Figures | None = None,
    ) -> Served:
        published = self._publisher_of(active).statement(
            kind,
            language,
            self._texts.translated(language),
            previous=before,
            alternates=[(each, f"{PAGE}?language={each}") for each in languages()],
            figures=figures,
        )
        return Served(
            text=published.text,
            media_type=MEDIA_TYPES[kind],
            language=language,
            digest=active.program.digest,
            missing=published.missing,
        )
