"""What the sets of articles with summaries share."""

from __future__ import annotations

from reset_pl.data.prompts import TASK_INSTRUCTIONS
from reset_pl.data.sets.base import Dropped
from reset_pl.records import Example, Objective


def summary_example(key: object, *, dataset: str, article: str | None, summary: str | None) -> Example | Dropped:
    """An article to be summarised: it is the only passage, and there is no question.

    Args:
        key: Second part of the example's id.
        dataset: Name of the data set.
        article: The text.
        summary: The target and only reference, its lines joined by spaces.

    Returns:
        The example, or ``Dropped`` with ``no_article`` or ``no_summary``.
    """
    article, summary = (article or "").strip(), (summary or "").replace("\n", " ").strip()
    if not article or not summary:
        return Dropped("no_summary" if article else "no_article")
    return Example(
        id=f"{dataset}/{key}",
        dataset=dataset,
        objective=Objective.SUMMARIZATION,
        instruction=TASK_INSTRUCTIONS[Objective.SUMMARIZATION],
        passages=(article,),
        response=summary,
        references=(summary,),
    )
