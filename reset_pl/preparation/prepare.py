"""A preparation from its sources to its manifest: read, convert, merge, hold out, compare, write, report."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from reset_pl.data.prepared import MANIFEST
from reset_pl.data.sources import Source
from reset_pl.errors import InputError
from reset_pl.files import committed
from reset_pl.preparation.lengths import lengths_of
from reset_pl.preparation.overlap import Overlap, find_overlaps
from reset_pl.preparation.parts import fingerprint_of, open_rows, read_part, write_part
from reset_pl.preparation.report import Findings, write_report
from reset_pl.preparation.sets import (
    SPLITS,
    PreparedSet,
    SetPlan,
    drop_repeated_ids,
    find_duplicates,
    hold_out,
    keys_of_part,
)
from reset_pl.preparation.workers import Workers
from reset_pl.progress import Progress, say
from reset_pl.records import stable_hash

_CODE = sorted(Path(__file__).parent.glob("*.*"))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a preparation is told beside its sets."""

    output_dir: Path
    """Where it is written."""
    limit: int | None = None
    """Rows read of each source; a dry run."""
    num_proc: int = 1
    """Worker processes."""
    strict: bool = False
    """Refuse an evaluation set that overlaps training, instead of removing the overlap from it."""
    tokenizer: str | None = None
    """Folder or hub id of the tokenizer that lengths are counted with; words without one."""
    seed: int = 0
    """Of the rows held out and of the samples for lengths."""


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
    _check(plans)
    tokenizer = _load_tokenizer(settings.tokenizer)
    for source in _sources(plans):
        _limit(source, settings.limit)
    names = {
        (split, plan.name, number): fingerprint_of(source, plan.name)
        for split, plan in _each(plans)
        for number, source in enumerate(plan.sources)
    }
    fingerprint = _fingerprint(plans, settings, names)
    done = _finished(settings, fingerprint)
    if done is not None:
        say(f"{settings.output_dir} is prepared already, with these settings and files: nothing to do")
        return done
    with Workers(settings.num_proc) as workers:
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
    entries = [_write_rows(own, settings.output_dir) for own in prepared]
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
    _write_manifest(prepared, entries, fingerprint, settings)
    _sweep(prepared, settings.output_dir)
    return report


# ---------------------------------------------------------------------- the plan


def _each(plans: Mapping[str, Sequence[SetPlan]]) -> list[tuple[str, SetPlan]]:
    return [(split, plan) for split, own in plans.items() for plan in own]


def _sources(plans: Mapping[str, Sequence[SetPlan]]) -> list[Source]:
    return [source for _, plan in _each(plans) for source in plan.sources]


def _check(plans: Mapping[str, Sequence[SetPlan]]) -> None:
    titles: Counter[str] = Counter()
    for split, plan in _each(plans):
        if not plan.name or any(letter in plan.name for letter in "/\\") or plan.name.startswith("."):
            raise InputError(f"expected a name for every set of {split} that can name a folder, but got {plan.name!r}")
        if not plan.sources:
            raise InputError(f"expected at least one source for the set {plan.name!r} of {split}, but got none")
        titles[f"{split}/{plan.name}"] += 1
        for other, count in plan.hold_out.items():
            if split != "train" or other not in ("validation", "test") or count < 1:
                raise InputError(
                    "expected hold_out on a training set, as {validation: 2500} or {test: 2500} with at least 1 row, "
                    f"but {split}/{plan.name} has {{{other}: {count}}}"
                )
            titles[f"{other}/{plan.name}"] += 1
    if not titles:
        raise InputError("expected at least one set in train, validation or test, but got none: give --config")
    twice = [title for title, count in titles.items() if count > 1]
    if twice:
        raise InputError(
            f"expected sets with different names within a split, but {twice[0]} stands there twice (sets held out of "
            "training count too): rename one, or give both sources to one set"
        )


def _limit(source: Any, limit: int | None) -> None:
    if limit is not None and hasattr(source, "limit"):
        source.limit = limit if source.limit is None else min(limit, source.limit)


def _load_tokenizer(path: str | None) -> Any | None:
    if path is None:
        return None
    from reset_pl.data.encoding import load_tokenizer

    return load_tokenizer(path)


def _fingerprint(plans: Mapping[str, Sequence[SetPlan]], settings: Settings, names: Mapping[Any, str]) -> str:
    of_plans = [(split, plan.name, plan.unique, sorted(plan.hold_out.items())) for split, plan in _each(plans)]
    of_settings = (settings.limit, settings.strict, settings.tokenizer, settings.seed)
    code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in _CODE]
    return f"{stable_hash(of_plans, of_settings, sorted(names.items()), code):016x}"


def _finished(settings: Settings, fingerprint: str) -> dict[str, Any] | None:
    """The report of the preparation in the folder when it is this one and whole.

    Raises:
        InputError: A dry run would replace a preparation that is not one.
    """
    try:
        manifest = json.loads((settings.output_dir / MANIFEST).read_text())
        entries = [entry for sets in manifest["splits"].values() for entry in sets.values()]
        if settings.limit is not None and manifest["limit"] is None:
            raise InputError(
                f"expected another folder for a dry run: {settings.output_dir} holds a preparation without --limit; "
                f"add --output_dir {settings.output_dir}-dry-run"
            )
        files = {name for entry in entries for name in (*entry["files"], entry["rows"]) if name}
        if manifest["fingerprint"] != fingerprint or not all((settings.output_dir / name).exists() for name in files):
            return None
        report: dict[str, Any] = json.loads((settings.output_dir / "report.json").read_text())
        return report if (settings.output_dir / "report.html").exists() else None
    except (OSError, json.JSONDecodeError, KeyError):
        return None


# ---------------------------------------------------------------------- sources → parts → sets

Paths = dict[tuple[str, str, int], list[Path]]
"""(split, set, number of the source) → its parts, in order."""


def _convert(
    plans: Mapping[str, Sequence[SetPlan]], names: Mapping[tuple[str, str, int], str], folder: Path, workers: Workers
) -> Paths:
    """Write the parts that are missing."""
    paths: Paths = {}
    opened: list[tuple[tuple[str, str, int], Source]] = []
    for split, plan in _each(plans):
        for number, source in enumerate(plan.sources):
            place = (split, plan.name, number)
            stem = f"{number:02}-{source.name}-{names[place]}".replace("/", "_")
            paths[place] = sorted((folder / split / plan.name).glob(f"{stem}-*-of-*.arrow"))
            if not _is_whole(paths[place]):
                opened.append((place, source))
    chunks: dict[int, tuple[Any, list[range]]] = {}
    if opened:
        with Progress(len(opened), "reading", "sources") as progress:
            for index, result in workers.run(open_rows, [(source,) for _, source in opened]):
                chunks[index] = result
                progress.advance(note=f"; {opened[index][1].name}")
    tasks = []
    done = 0
    for index, (place, source) in enumerate(opened):
        rows, ranges = chunks[index]
        home = folder / place[0] / place[1]
        stem = f"{place[2]:02}-{source.name}-{names[place]}".replace("/", "_")
        paths[place] = [home / f"{stem}-{i:05}-of-{len(ranges):05}.arrow" for i in range(len(ranges))]
        missing = [(source, place[1], rows, chunk, path) for chunk, path in zip(ranges, paths[place], strict=True)]
        tasks += [task for task in missing if not task[-1].exists()]
        done += sum(len(task[3]) for task in missing if task[-1].exists())
    with Progress(done + sum(len(task[3]) for task in tasks), "converting", "rows", done) as progress:
        for _, count in workers.run(write_part, tasks):
            progress.advance(count)
    return paths


def _is_whole(paths: Sequence[Path]) -> bool:
    return bool(paths) and paths[-1].stem.endswith(f"-of-{len(paths):05}")


def _gather(plans: Mapping[str, Sequence[SetPlan]], paths: Paths, workers: Workers) -> list[PreparedSet]:
    """The sets as they were read, with the keys of their prompts."""
    tasks = [(path,) for own in paths.values() for path in own]
    keys: dict[Path, np.ndarray] = {}
    with Progress(len(tasks), "looking for duplicates", "parts") as progress:
        for index, result in workers.run(keys_of_part, tasks):
            keys[tasks[index][0]] = result
            progress.advance()
    prepared = []
    for split, plan in _each(plans):
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
            f"{len(overlap.rows):,} prompts of {overlap.evaluation.title} in {overlap.training.title}"
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


# ---------------------------------------------------------------------- what is written


def _write_rows(prepared: PreparedSet, folder: Path) -> dict[str, Any]:
    """A set's entry of the manifest; its row numbers are written where they are needed."""
    rows = None
    if not prepared.is_all:
        rows = f"{prepared.split}/{prepared.name}/rows-{prepared.fingerprint}.npy"
        content = io.BytesIO()
        np.save(content, prepared.rows)
        (folder / rows).parent.mkdir(parents=True, exist_ok=True)
        with committed(folder / rows) as file:
            file.write(content.getbuffer())
    return {
        "files": [str(part.path.relative_to(folder)) for part in prepared.parts],
        "rows": rows,
        "n": len(prepared.rows),
        "fingerprint": prepared.fingerprint,
    }


def _write_manifest(
    prepared: Sequence[PreparedSet], entries: Sequence[dict[str, Any]], fingerprint: str, settings: Settings
) -> None:
    splits: dict[str, dict[str, Any]] = {split: {} for split in SPLITS}
    for own, entry in zip(prepared, entries, strict=True):
        splits[own.split][own.name] = entry
    manifest = {"format": 1, "fingerprint": fingerprint, "limit": settings.limit, "splits": splits}
    with committed(settings.output_dir / MANIFEST) as file:
        file.write((json.dumps(manifest, indent=2) + "\n").encode())


def _sweep(prepared: Sequence[PreparedSet], folder: Path) -> None:
    """Delete what earlier settings, or a kill while a file was written, left in the sets' folders."""
    used = {part.path for own in prepared for part in own.parts}
    used |= {folder / own.split / own.name / f"rows-{own.fingerprint}.npy" for own in prepared}
    for own in prepared:
        home = folder / own.split / own.name
        for path in (*home.glob("*-of-*.arrow"), *home.glob("rows-*.npy"), *home.glob(".*.tmp")):
            if path not in used:
                with suppress(OSError):
                    path.unlink()
