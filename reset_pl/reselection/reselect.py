"""Select from a finished round again, and write what was selected as a folder that ``CuratedSource`` reads."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reset_pl.errors import InputError
from reset_pl.progress import Progress
from reset_pl.records import Example, Selection, stable_hash
from reset_pl.reselection.export import Renderer, TemplateSettings, write_rows
from reset_pl.rounds.decision import Decisions
from reset_pl.rounds.finished import FinishedRound
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.selection import Selector
from reset_pl.rounds.tables import selected_row

_LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What makes a selection the one that it is."""

    selector: Mapping[str, Any]
    """``class_path`` and ``init_args``, as YAML says it."""
    held_out: frozenset[str]
    """Judges that must not select."""
    template: TemplateSettings
    """Of the exported prompts."""

    def to_json(self) -> dict[str, Any]:
        """As the manifest keeps them."""
        return {
            "selector": dict(self.selector),
            "held_out": sorted(self.held_out),
            "template": asdict(self.template),
        }


def reselect(
    source: FinishedRound, selector: Selector, settings: Settings, output: Path
) -> tuple[dict[str, Any], bool]:
    """Select again and write ``output``; the round itself stays as it is.

    Args:
        source: The round.
        selector: Chooses.
        settings: Its settings, and those of the export.
        output: Folder to write; its parent is made where it is missing.

    Returns:
        The manifest, and whether anything was written: the same selection may stand there already.

    Raises:
        InputError: ``output`` holds something else, nothing was selected, or the ledger lacks what the weights ask for.
    """
    origin = {key: source.manifest.get(key) for key in ("round", "policy", "seed")}
    identity = {"source": {"path": str(source.directory.resolve()), **origin}, "settings": settings.to_json()}
    existing = _existing(output, identity)
    if existing is not None:
        return existing, False
    check_aspects(source, selector, settings.held_out)
    renderer = Renderer(settings.template)
    selections, statistics = _select(source, selector, settings.held_out)
    chosen = [selection for selection in selections if selection.text is not None]
    if not chosen:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in statistics["left_out"].items())
        raise InputError(f"nothing of {len(source.prompts)} prompts would be selected ({reasons}); nothing is written")
    manifest = {
        **identity,
        "status": "complete",
        **statistics,
        "changed": changes(source.chosen, selections),
    }
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        _write(temporary, source, chosen, renderer, manifest)
        temporary.rename(output)
    except OSError as error:
        raise InputError(f"cannot write --output {output}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest, True


def short_name(selector: Mapping[str, Any], defaults: Mapping[str, Any], held_out: Collection[str] = ()) -> str:
    """A folder name out of the selector and what of its settings is not the default.

    Args:
        selector: ``class_path`` and ``init_args``.
        defaults: The selector's own ``init_args``.
        held_out: Judges held out by this selection and not by the round's.

    >>> selector = {"class_path": "reset_pl.rounds.selectors.TopKSelector", "init_args": {"k": 3, "task_weight": 1.0}}
    >>> short_name(selector, {"k": 2, "task_weight": 1.0}, ["rouge_l"])
    'top_k-k=3-without=rouge_l'
    """
    name = selector["class_path"].rpartition(".")[2].removesuffix("Selector")
    words = [re.sub(r"(?<=.)(?=[A-Z])", "_", name).lower()]
    for key, value in selector.get("init_args", {}).items():
        if value != defaults.get(key):
            words.append(f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}")
    words += [f"without={judge}" for judge in sorted(held_out)]
    full = re.sub(r"[^A-Za-z0-9_.=-]+", "_", "-".join(words))
    return full if len(full) <= _LONGEST_NAME else f"{full[:_LONGEST_NAME]}-{stable_hash(full):016x}"


def changes(before: Mapping[str, Sequence[str]], selections: Sequence[Selection]) -> dict[str, int]:
    """How many prompts are decided otherwise than before.

    Args:
        before: Example id → chosen texts, best first; absent when left out.
        selections: At least one a prompt, of several chosen answers best first.

    Returns:
        ``prompts`` whose chosen texts are not the same ones, all in all; of these ``other_best``, where both chose and
        the best differs, ``newly_selected`` and ``newly_left_out``.
    """
    after: dict[str, list[str]] = {}
    for selection in selections:
        own = after.setdefault(selection.example_id, [])
        if selection.text is not None:
            own.append(selection.text)
    found = Counter(_change(list(before.get(key, ())), texts) for key, texts in after.items())
    del found["same"]
    kinds = ("other_best", "newly_selected", "newly_left_out")
    return {"prompts": found.total(), **{kind: found[kind] for kind in kinds}}


def _change(before: list[str], after: list[str]) -> str:
    if before == after:
        return "same"
    if not before or not after:
        return "newly_selected" if after else "newly_left_out"
    return "other_best" if before[0] != after[0] else "other_answers"


def _select(
    source: FinishedRound, selector: Selector, held_out: frozenset[str]
) -> tuple[list[Selection], dict[str, Any]]:
    decisions = Decisions(selector, held_out)
    selections = []
    with Progress(len(source.prompts), "selecting", "prompts") as progress:
        for examples, candidates, verdicts in source.parts():
            selections += decisions.add(examples, candidates, verdicts)
            progress.advance(len(examples))
    return selections, decisions.statistics()


def check_aspects(source: FinishedRound, selector: Selector, held_out: frozenset[str]) -> None:
    """Refuse a new weight of what nobody scored: it would change nothing, and seem to have changed little."""
    of_judges = source.scored_aspects(held_out)
    scored = set().union(*of_judges.values())
    without = f" without {', '.join(sorted(held_out))}" if held_out else ""
    if not scored:
        raise InputError(f"{source.directory}: no judge{without} scored anything there, so nothing can be selected")
    before, now = asdict(source.weights), asdict(selector.weights)
    for aspect, weight in now.items():
        if aspect not in scored and weight != before[aspect]:
            raise InputError(
                f"the weight of {aspect} is {weight:g} now and was {before[aspect]:g} in {source.directory}, but no "
                f"judge{without} scored {aspect} there ({', '.join(sorted(scored))} only): it would change nothing; "
                f"leave {aspect}_weight at {before[aspect]:g}, or have a round judged for {aspect}"
            )


def _existing(output: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of the same selection in the folder; none where there is nothing."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    manifest = None
    with suppress(OSError, json.JSONDecodeError):
        manifest = Ledger(output).read_manifest()
    if manifest is None or "settings" not in manifest:
        raise InputError(f"expected a new folder for --output, but {output} holds something else")
    if any(manifest.get(key) != value for key, value in json.loads(json.dumps(identity)).items()):
        raise InputError(
            f"{output} holds a selection with other settings, or from another round: give --output another folder"
        )
    return manifest


def _write(
    folder: Path, source: FinishedRound, chosen: Sequence[Selection], renderer: Renderer, manifest: dict[str, Any]
) -> None:
    """The files of a selection, the manifest last."""
    _link(source.directory / "prompts.parquet", folder / "prompts.parquet")
    examples: dict[str, Example] = {example.id: example for example in source.prompts}
    ledger = Ledger(folder)
    ledger.write_table([selected_row(s, examples[s.example_id].dataset) for s in chosen], "selected")
    write_rows((renderer.completion(examples[s.example_id], s) for s in chosen), folder / "sft.jsonl")
    pairs = [s for s in chosen if s.rejected_text is not None]
    if pairs:
        write_rows((renderer.pair(examples[s.example_id], s) for s in pairs), folder / "pairs.jsonl")
    ledger.write_manifest(manifest)


def _link(original: Path, path: Path) -> None:
    """The file under a second name; a copy where the file system has no such thing.

    The ledger's files are never written again, only replaced, so neither name can change under the other.
    """
    try:
        path.hardlink_to(original)
    except OSError:
        shutil.copyfile(original, path)
