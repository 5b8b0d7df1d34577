"""A stage's and a round's numbers, for whichever loggers the trainer has."""

from __future__ import annotations

from collections.abc import Mapping

import lightning as L

from reset_pl.evaluation.results import Round, Stage


def log_numbers(trainer: L.Trainer, numbers: Mapping[str, float], step: int) -> None:
    """Give numbers to each of ``trainer.loggers``, and see that they can be read at once; for rank 0.

    Args:
        trainer: The trainer.
        numbers: Name → value.
        step: Optimizer step that they belong to.
    """
    for logger in trainer.loggers:
        logger.log_metrics(dict(numbers), step=step)
        logger.save()


def numbers_of_stage(stage: Stage) -> dict[str, float]:
    """``evaluation/<score>`` for macro averages, ``evaluation/<data set>/<score>`` for those of a test set.

    >>> numbers_of_stage(Stage.from_json({"stage": "mtl", "macro": {"task": {"mean": 0.5}},
    ...                                   "datasets": {"nq": {"n": 2, "task": {"mean": 0.5}, "instruction": None}}}))
    {'evaluation/task': 0.5, 'evaluation/nq/task': 0.5}
    """
    macro = {f"evaluation/{score}": value.mean for score, value in stage.macro.items()}
    return macro | {
        f"evaluation/{name}/{score}": value.mean
        for name, entry in stage.datasets.items()
        for score, value in entry.scores.items()
    }


def numbers_of_round(entry: Round) -> dict[str, float]:
    """``round/mean_score/<best, random, gold>`` and ``round/rates/<rate>``, those that were measured."""
    return {
        f"round/{key}/{name}": value
        for key in ("mean_score", "rates")
        for name, value in entry.numbers(key).items()
        if value is not None
    }
