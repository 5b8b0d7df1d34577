"""A preparation from its sources to its manifest: read, convert, merge, hold out, compare, write, report."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from reset_pl.errors import InputError
from reset_pl.preparation.leftovers import sweep
from reset_pl.preparation.lengths import lengths_of
from reset_pl.preparation.output import finished, write_manifest, write_rows
from reset_pl.preparation.overlap import Overlap, find_overlaps
from reset_pl.preparation.parts import fingerprint_of, make_folder, open_rows, read_part, write_part
from reset_pl.preparation.plan import SPLITS, SetPlan, Settings, check_plans, each_set, fingerprint_of_plans
from reset_pl.preparation.report import Findings, write_report
from reset_pl.preparation.sets import PreparedSet, drop_repeated_ids, find_duplicates, hold_out, keys_of_part
from reset_pl.preparation.workers import Call, Workers
from reset_pl.progress import Progress, say


def prepare(plans: Mapping[str, Sequence[SetPlan]], settings: Settings) -> dict[str, Any]:
    """Write all sets, or what is missing of them.

    Args:
        plans: Split → its sets.
        settings: Where and how.

    Returns:
        The content of ``report.json``.

    Raises:
        InputError: A source cannot be read, a set is empty, evaluation overlaps training with ``strict``, or the
            folder cannot be written.
    """
    started = time.monotonic()
    check_plans(plans)
    workers = Workers(settings.num_proc)
    tokenizer = _load_tokenizer(settings.tokenizer)
    for _, plan in each_set(plans):
        for source in plan.sources:
            _limit(source, settings.limit)
    names = {
        (split, plan.name, number): fingerprint_of(source, plan.name)
        for split, plan in each_set(plans)
        for number, source in enumerate(plan.sources)
    }
    fingerprint = fingerprint_of_plans(plans, settings, names)
    done = finished(settings, fingerprint)
    if done is not None:
        say(f"{settings.output_dir} is prepared already, with these settings and files: nothing to do")
        return done
    make_folder(settings.output_dir)
    with workers:
        paths = _convert(plans, names, settings.output_dir, workers)
        prepared = _gather(plans, paths, workers)
        notes = _arrange(prepared, settings)
        hint = "" if settings.limit is None else f", or raise --limit (now {settings.limit})"
        for own in prepared:
            own.check_not_empty(hint)
        overlaps = _compare(prepared, settings, workers)
        for own in prepared:
            own.check_not_empty(hint)
    prepared.sort(key=lambda own: SPLITS.index(own.split))
    entries = [write_rows(own, settings.output_dir) for own in prepared]
    findings = Findings(
        sets=prepared,
        overlaps=overlaps,
        notes=notes + _lint(prepared),
        lengths={own.title: lengths_of(own, tokenizer, settings.seed) for own in prepared},
        unit="words" if tokenizer is None else "tokens",
        tokenizer=settings.tokenizer,
        limit=settings.limit,
        seconds=time.monotonic() - started,
    )
    report = write_report(findings, settings.output_dir)
    write_manifest(prepared, entries, fingerprint, settings)
    sweep(prepared, settings.output_dir)
    return report


def _limit(source: Any, limit: int | None) -> None:
    if limit is not None and hasattr(source, "limit"):
        source.limit = limit if source.limit is None else min(limit, source.limit)


def _load_tokenizer(path: str | None) -> Any | None:
    if path is None:
        return None
    from reset_pl.data.encoding import load_tokenizer

    return load_tokenizer(path)


# ---------------------------------------------------------------------- sources → parts → sets

Paths = dict[tuple[str, str, int], list[Path]]
"""(split, set, number of the source) → its parts, in order."""


def _convert(
    plans: Mapping[str, Sequence[SetPlan]], names: Mapping[tuple[str, str, int], str], folder: Path, workers: Workers
) -> Paths:
    """Write the parts that are missing; a source whose parts are all there is not opened."""
    paths: Paths = {}
    calls: deque[Call] = deque()
    for split, plan in each_set(plans):
        for number, source in enumerate(plan.sources):
            place = (split, plan.name, number)
            stem = f"{number:02}-{source.name}-{names[place]}".replace("/", "_")
            home = folder / split / plan.name
            paths[place] = sorted(home.glob(f"{stem}-*-of-*.arrow"))
            if not paths[place] or not paths[place][-1].stem.endswith(f"-of-{len(paths[place]):05}"):
                calls.append(((place, source, home / stem), open_rows, (source,)))
    with Progress(len(calls), "reading", "sources") as sources, Progress(0, "converting", "rows") as converted:
        # The parts of a source are converted while the next ones are still read.
        for tag, result in workers.run(calls):
            if tag is None:
                converted.advance(result)
                continue
            place, source, stem = tag
            rows, ranges = result
            sources.advance(note=f"; {source.name}")
            paths[place] = [stem.with_name(f"{stem.name}-{i:05}-of-{len(ranges):05}.arrow") for i in range(len(ranges))]
            for chunk, path in zip(ranges, paths[place], strict=True):
                if not path.exists():
                    converted.extend(len(chunk))
                    calls.append((None, write_part, (source, place[1], rows, chunk, path)))
    return paths


def _gather(plans: Mapping[str, Sequence[SetPlan]], paths: Paths, workers: Workers) -> list[PreparedSet]:
    """The sets as they were read, with the keys of their prompts."""
    tasks = [(path,) for own in paths.values() for path in own]
    keys: dict[Path, np.ndarray] = {}
    with Progress(len(tasks), "looking for duplicates", "parts") as progress:
        for index, result in workers.map(keys_of_part, tasks):
            keys[tasks[index][0]] = result
            progress.advance()
    prepared = []
    for split, plan in each_set(plans):
        of_sources = [paths[split, plan.name, number] for number in range(len(plan.sources))]
        parts = [read_part(path) for own in of_sources for path in own]
        prepared.append(
            PreparedSet(
                split=split,
                plan=plan,
                parts=parts,
                owners=[number for number, own in enumerate(of_sources) for _ in own],
                rows=np.arange(sum(part.kept for part in parts)),
                keys=np.concatenate([keys[part.path] for part in parts]),
                removed=[Counter() for _ in plan.sources],
            )
        )
    return prepared


def _arrange(prepared: list[PreparedSet], settings: Settings) -> list[str]:
    """Drop what stands twice, hold rows out; the sets held out are appended."""
    notes: list[str] = []
    for own in list(prepared):
        if len(own.rows):
            drop_repeated_ids(own)
            find_duplicates(own)
            held, said = hold_out(own, settings.seed)
            prepared += held
            notes += said
    return notes


def _compare(prepared: Sequence[PreparedSet], settings: Settings, workers: Workers) -> list[Overlap]:
    """Find evaluation prompts that stand in training, and take them out of evaluation.

    Raises:
        InputError: There are some, and ``strict`` is set.
    """
    training = [own for own in prepared if own.split == "train"]
    evaluation = [own for own in prepared if own.split != "train"]
    overlaps = find_overlaps(training, evaluation, workers, settings.output_dir)
    if overlaps and settings.strict:
        pairs = "; ".join(
            f"{len(overlap.rows):,} prompt{'s' * (len(overlap.rows) != 1)} of {overlap.evaluation.title} in "
            f"{overlap.training.title}"
            for overlap in overlaps
        )
        shown = overlaps[0].examples[0]
        text = " ".join(shown["prompt"].split())
        raise InputError(
            f"expected evaluation sets that do not overlap training, but found {pairs}; for example "
            f"{shown['evaluation']} is {shown['training']}: {text[:100]!r}; leave --strict out and they are removed "
            "from evaluation"
        )
    for own, reason in product(evaluation, ("exact", "grams")):
        rows = [getattr(overlap, reason) for overlap in overlaps if overlap.evaluation is own]
        if rows:
            own.remove(np.intersect1d(np.unique(np.concatenate(rows)), own.rows), f"overlap_{reason}")
    return overlaps


def _lint(prepared: Sequence[PreparedSet]) -> list[str]:
    from reset_pl.data.lint import lint

    return lint({own.title: own.examples for own in prepared})
