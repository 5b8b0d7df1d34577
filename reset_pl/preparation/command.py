"""The command line of ``python -m reset_pl prepare``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ActionConfigFile, ArgumentParser

from reset_pl.arguments import OneLineErrors, bad_input_behind, configs_first
from reset_pl.data.prepared import PreparedSource
from reset_pl.data.sets import PUBLISHED_SETS, PublishedSource
from reset_pl.data.sources import JsonlSource, ParquetSource
from reset_pl.errors import InputError
from reset_pl.mini.sources import MiniSource
from reset_pl.preparation.plan import SetPlan, Settings
from reset_pl.preparation.prepare import prepare
from reset_pl.preparation.report import table_of

SHORT_NAMES = (JsonlSource, ParquetSource, PreparedSource, MiniSource, *PUBLISHED_SETS)
"""Sources that YAML may name without their module: a class has a short name once it has been imported."""


def run(
    train: list[SetPlan] | None = None,
    validation: list[SetPlan] | None = None,
    test: list[SetPlan] | None = None,
    output_dir: str = "data/prepared",
    data_dir: str | None = None,
    limit: int | None = None,
    num_proc: int | None = None,
    strict: bool = False,
    tokenizer: str | None = None,
    seed: int = 0,
) -> None:
    """Read data sets once, filter, merge and compare them, and write them so that a run opens them at once.

    Started again it does only what is missing.

    Args:
        train: Training sets.
        validation: Sets whose loss is logged; those held out of training need not be listed.
        test: Sets that checkpoints are evaluated on.
        output_dir: Folder of the result, for PreparedSource.
        data_dir: Local mirror of the published sets, for those that name none of their own; the hub when not given.
        limit: Read only this many rows of each source: a dry run.
        num_proc: Worker processes; as many as there are processors when not given.
        strict: Refuse evaluation sets that overlap training, instead of removing the overlap from them.
        tokenizer: Folder or hub id of a tokenizer to count lengths with; words are counted without one.
        seed: Of the rows held out and of the samples for lengths.
    """
    if limit is not None and limit < 1:
        raise InputError(f"expected --limit of at least 1 row, but got {limit}")
    plans = {"train": train or [], "validation": validation or [], "test": test or []}
    for sets in plans.values():
        for source in (source for plan in sets for source in plan.sources):
            if isinstance(source, PublishedSource) and source.data_dir is None and data_dir is not None:
                source.data_dir = Path(data_dir)
    settings = Settings(
        output_dir=Path(output_dir),
        limit=limit,
        num_proc=len(os.sched_getaffinity(0)) if num_proc is None else num_proc,
        strict=strict,
        tokenizer=tokenizer,
        seed=seed,
    )
    report = prepare(plans, settings)
    examples = sum(own["n"] for own in report["sets"])
    print(table_of(report))  # noqa: T201
    print(  # noqa: T201
        f"\n{examples:,} examples of {len(report['sets'])} sets: {output_dir}\nreport: {output_dir}/report.html",
        flush=True,
    )


class _Parser(OneLineErrors, ArgumentParser):
    """jsonargparse's parser, with our errors."""


def main(arguments: Sequence[str]) -> int:
    """Parse the arguments and run; returns the exit status."""
    parser = _Parser(
        prog="python -m reset_pl prepare", description=run.__doc__.split("\n\n")[0] if run.__doc__ else None
    )
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file with any of the options below")
    parser.add_function_arguments(run, as_group=False)
    try:
        settings: Any = parser.instantiate_classes(parser.parse_args(configs_first(arguments)))
    except ValueError as error:
        raise bad_input_behind(error) or error from error
    settings.pop("config", None)
    run(**settings)
    return 0
