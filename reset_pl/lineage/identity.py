"""Which example an id names: an example's own, a candidate's, or that of one of several chosen answers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from reset_pl.data.curated import example_from_json
from reset_pl.errors import InputError
from reset_pl.evaluation.results import Run
from reset_pl.lineage.tables import column_of, rows_of
from reset_pl.records import Example
from reset_pl.visible import visible

__all__ = ["example_of"]

_CANDIDATE = re.compile(r"\d+/(?P<example>.+)/[^/]+/\d+")
_ANSWER = re.compile(r"(?P<example>.+)#\d+")


def example_of(run: Run, identity: str) -> Example:
    """The example of an id, in the prompts of the first round that drew it.

    Args:
        run: A run with rounds.
        identity: Id of an example, of a candidate, or of a chosen answer (``<example id>#<rank>``).

    Raises:
        InputError: No round has such an id; the nearest are named, and the tables that could not be looked at.
    """
    unread: list[str] = []
    if example := _drawn(run, identity, unread):
        return example
    for form, known_of in ((_CANDIDATE, _candidates), (_ANSWER, _answers)):
        match = form.fullmatch(identity)
        example = _drawn(run, match["example"], []) if match else None
        if example is not None:
            missing: list[str] = []
            known = known_of(run, example.id, missing)
            # Where a table is gone nobody can tell; the rest of the life says that it is.
            if identity in known or missing:
                return example
            raise _unknown(run, identity, identity, known or [example.id], [])
    match = _CANDIDATE.fullmatch(identity) or _ANSWER.fullmatch(identity)
    ids = sorted({one for entry in run.rounds for one in column_of(entry.path, "prompts", "example_id")})
    raise _unknown(run, identity, match["example"] if match else identity, ids, unread)


def _drawn(run: Run, example_id: str, unread: list[str]) -> Example | None:
    for entry in run.rounds:
        for row in rows_of(entry.path, "prompts", "example_id", [example_id], unread):
            return example_from_json(row["example"])
    return None


def _candidates(run: Run, example_id: str, missing: list[str]) -> list[str]:
    """Ids of all that was drawn for an example."""
    return [
        row["candidate_id"]
        for entry in run.rounds
        for row in rows_of(entry.path, "candidates", "example_id", [example_id], missing)
    ]


def _answers(run: Run, example_id: str, missing: list[str]) -> list[str]:
    """Ids of the chosen answers of an example; older rounds have no ranks, and one answer."""
    return [
        f"{example_id}#{row['rank'] or 0}"
        for entry in run.rounds
        if entry.is_complete
        for row in rows_of(entry.path, "selected", "example_id", [example_id], missing)
    ]


def _unknown(run: Run, identity: str, like: str, known: Sequence[str], unread: Sequence[str]) -> InputError:
    near = difflib.get_close_matches(like, known, n=3, cutoff=0.5) or known[:3]
    if not near:
        why = f"there is none to look in: {'; '.join(unread)}" if unread else "its rounds have drawn no prompts yet"
        return InputError(f"expected an id of {run.path}, but {why}")
    lacking = f" ({'; '.join(unread)})" if unread else ""
    return InputError(
        f"expected the id of an example or a candidate in the rounds of {run.path}, but none has "
        f"'{visible(identity)}'{lacking}; the nearest of {len(known):,}: {', '.join(map(visible, near))}"
    )
