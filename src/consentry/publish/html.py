"""Pages from templates: one file each, with its style inside, without scripts and without requests.

Every value is escaped by the template engine.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from consentry.publish.entries import Statement
from consentry.publish.proof import Proof

if TYPE_CHECKING:  # a sidecar that shows nobody a page does without the template engine
    from jinja2 import Environment
    from markupsafe import Markup


def render_statement_html(
    statement: Statement,
    phrase: Callable[..., str],
    alternates: Sequence[tuple[str, str]] = (),
    proof: Proof | None = None,
) -> str:
    """The statement as a page; `alternates` are languages and where they are."""
    template = _environment().get_template("statement.html.j2")
    return template.render(
        statement=statement,
        phrase=phrase,
        alternates=alternates,
        proof=proof,
        style=_style("style.css"),
    )


def render_page(template: str, *, style: str = "style.css", **values: object) -> str:
    """Another page by the names of its template and its style."""
    return _environment().get_template(template).render(style=_style(style), **values)


def style_source(style: str) -> str:
    """What a Content-Security-Policy says to allow this style and no other."""
    digest = hashlib.sha256(_style(style).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 (as above)

    return Environment(
        loader=PackageLoader("consentry.publish", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )


@cache
def _style(name: str) -> Markup:
    from markupsafe import Markup  # noqa: PLC0415 (as above)

    folder = resources.files("consentry.publish") / "templates"
    # SAFETY: our own file, the same in every page.
    return Markup((folder / name).read_text(encoding="utf-8").strip())  # noqa: S704
