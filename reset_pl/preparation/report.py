"""``report.json``, ``report.html`` and the table on the terminal: what was read, kept, dropped and why."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reset_pl.data.sources import Source
from reset_pl.files import committed
from reset_pl.preparation.lengths import SAMPLE, Lengths, picture, quantiles
from reset_pl.preparation.overlap import CONTAINED, Overlap
from reset_pl.preparation.sets import PreparedSet
from reset_pl.preparation.texts import GRAM, LONG
from reset_pl.provenance import environment

_LIGHT = {"ink": "#5f636b", "fill": "#0a6a67"}
_DARK = {"ink": "#a3a6ac", "fill": "#6cc8c0"}


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that a preparation has to say."""

    sets: Sequence[PreparedSet]
    overlaps: Sequence[Overlap]
    notes: Sequence[str]
    """What a person should look at, a line each."""
    lengths: dict[str, Lengths]
    """Title of a set → lengths of a sample."""
    unit: str
    """Of the lengths: ``tokens`` or ``words``."""
    tokenizer: str | None
    limit: int | None
    seconds: float


def write_report(findings: Findings, folder: Path) -> dict[str, Any]:
    """Write both files.

    Args:
        findings: What was found.
        folder: The preparation's.

    Returns:
        The content of ``report.json``.
    """
    provenance = environment(None)
    report = {
        "command": provenance["command"],
        "commit": provenance["commit"],
        "seconds": round(findings.seconds, 1),
        "limit": findings.limit,
        "notes": list(findings.notes),
        "sets": [_set(own, findings) for own in findings.sets],
        "overlaps": [_overlap(overlap) for overlap in findings.overlaps],
        "lengths": {"unit": findings.unit, "tokenizer": findings.tokenizer, "sample": SAMPLE},
    }
    with committed(folder / "report.json") as file:
        file.write((json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode())
    # Drawn once: the dark picture is the light one in other colours.
    light = picture(findings.lengths, findings.unit, **_LIGHT)
    dark = reduce(lambda svg, name: svg.replace(_LIGHT[name], _DARK[name]), _LIGHT, light)
    pictures = {name: _address(svg) for name, svg in (("light", light), ("dark", dark))}
    page = _template().render(
        report=report, pictures=pictures, rules={"gram": GRAM, "long": LONG, "contained": CONTAINED}
    )
    with committed(folder / "report.html") as file:
        file.write(page.encode("utf-8", errors="replace"))
    return report


def _address(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _template() -> Any:
    """The page's template, always escaped, in the style of a run's report."""
    here = Path(__file__).parent
    loader = FileSystemLoader([here, here.parent / "report"])
    options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True}
    templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **options)
    templates.filters["thousands"] = lambda number: f"{number:,}"
    return templates.get_template("preparation.html")


def _set(own: PreparedSet, findings: Findings) -> dict[str, Any]:
    lengths = findings.lengths[own.title]
    return {
        "split": own.split,
        "name": own.name,
        "n": len(own.rows),
        "duplicates": own.duplicates,
        "held_out_of": own.held_out_of,
        "sources": [_source(own, number, source) for number, source in enumerate(own.plan.sources)],
        "lengths": {kind: quantiles(values) for kind, values in lengths.items()},
    }


def _source(own: PreparedSet, number: int, source: Source) -> dict[str, Any]:
    """A source's share of a set. Of a set that was held out, ``read`` counts the rows that were taken."""
    parts = [(i, part) for i, part in enumerate(own.parts) if own.owners[i] == number]
    kept = sum(int(((own.rows >= own.starts[i]) & (own.rows < own.starts[i + 1])).sum()) for i, _ in parts)
    dropped = Counter(own.removed[number])
    if own.held_out_of is None:
        dropped.update(sum((part.dropped for _, part in parts), Counter[str]()))
    origin = getattr(source, "origin", None)
    return {
        "name": source.name,
        "class": type(source).__name__,
        "read": kept + dropped.total() if own.held_out_of else sum(part.read for _, part in parts),
        "kept": kept,
        "dropped": dict(dropped.most_common()),
        "licence": getattr(origin, "licence", None),
        "homepage": getattr(origin, "homepage", None),
        "revision": getattr(origin, "revision", None),
    }


def _overlap(overlap: Overlap) -> dict[str, Any]:
    return {
        "evaluation": overlap.evaluation.title,
        "training": overlap.training.title,
        "exact": len(overlap.exact),
        "grams": len(overlap.grams),
        "examples": overlap.examples,
    }


def table_of(report: dict[str, Any]) -> str:
    """The report as text for a terminal."""
    rows = [("set", "source", "read", "kept", "dropped, by reason")]
    for own in report["sets"]:
        title = f"{own['split']}/{own['name']}"
        for number, source in enumerate(own["sources"]):
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in source["dropped"].items())
            if number == 0 and own["duplicates"]:
                reasons = ", ".join(filter(None, [reasons, f"({own['duplicates']:,} duplicates kept)"]))
            rows.append((title, source["name"], f"{source['read']:,}", f"{source['kept']:,}", reasons))
            title = ""
        if len(own["sources"]) > 1:
            rows.append(("", "all", f"{sum(s['read'] for s in own['sources']):,}", f"{own['n']:,}", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]}".rstrip()
        for row in rows
    ]
    lines += [
        f"overlap: {each['evaluation']} with {each['training']}: {each['exact']:,} exact, {each['grams']:,} by "
        f"{GRAM}-grams, removed from {each['evaluation']}; e.g. {each['examples'][0]['evaluation']}"
        for each in report["overlaps"]
    ]
    lines += [f"note: {note}" for note in report["notes"]]
    return "\n".join(lines)
