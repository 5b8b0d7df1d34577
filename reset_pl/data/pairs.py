"""The best and the worst judged answer of a prompt, as a preference pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reset_pl.data.curated import CuratedSource
from reset_pl.errors import InputError
from reset_pl.records import Example


class PairSource(CuratedSource):
    """The prompts of a selection by ``BestAndWorstSelector`` with the chosen and the rejected answer.

    Args:
        round_dir: The folder that ``select ROUND --selector BestAndWorstSelector --output FOLDER`` wrote, or a round
            that selected so itself.
    """

    def load(self) -> Sequence[Example]:
        """The pairs, in the order of the selection: the chosen answer is the response.

        Raises:
            InputError: The folder holds no selection, nothing was selected, or an answer has no rejected one beside it.
        """
        how = "python -m reset_pl select ROUND --selector BestAndWorstSelector --output FOLDER"
        rows = self.selected()
        if not rows:
            raise InputError(f"expected preference pairs in {self.round_dir}, but nothing was selected there: {how}")
        lacking = [example.id for example, row in rows if row.get("rejected") is None]
        if lacking:
            raise InputError(
                f"expected preference pairs in {self.round_dir}, but {len(lacking)} of its {len(rows)} answers have no "
                f"rejected one beside them, e.g. {lacking[0]}: {how}"
            )
        return [replace(example, response=row["text"], rejected=row["rejected"]) for example, row in rows]
