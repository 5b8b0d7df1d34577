"""The preview as one HTML file: no script, nothing loaded, every text escaped, the report's style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reset_pl.preview.rows import Row

_HERE = Path(__file__).parent


def page_of(sets: Mapping[str, Sequence[Row]], sizes: Mapping[str, int], warnings: Sequence[str], *, split: str) -> str:
    """The page.

    Args:
        sets: Data set → the rows to show.
        sizes: Data set → number of its examples.
        warnings: What the lint says.
        split: Where the sets stand in the configuration, for the title.
    """
    environment = Environment(
        loader=FileSystemLoader([_HERE, _HERE.parent / "report"]),  # the report's style sheet lies there
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["broken"] = lambda text: Markup('<i aria-hidden="true">↵</i>\n').join(text.split("\n"))
    template = environment.get_template("preview.html")
    return template.render(sets=sets, sizes=sizes, warnings=warnings, split=split)
