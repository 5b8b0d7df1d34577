"""Which weights ``python -m reset_pl test`` evaluates, and under which names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reset_pl.checkpoints import checkpoints, is_complete
from reset_pl.errors import InputError
from reset_pl.evaluation.stage_names import stage_order

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Weights to evaluate."""

    name: str
    """Of the evaluation, ``evaluation/<name>.json``."""
    path: str | None
    """A checkpoint, a Hugging Face folder or a hub id; none for the model that is configured."""

    @property
    def is_checkpoint(self) -> bool:
        """Whether ``fit`` wrote it to go on from, as a file or a directory of shards."""
        return self.path is not None and self.path.endswith(".ckpt")


def find_targets(given: Sequence[str]) -> list[Target]:
    """What ``--ckpt_path`` names, in order; folders of several in the order of their steps.

    Args:
        given: Checkpoints, Hugging Face folders, hub ids, run directories, or folders of checkpoints or of Hugging
            Face folders; nothing for the configured model, whose name is ``start``.

    Raises:
        InputError: A path is none of these, a checkpoint is not whole, or two weights would have one name.
    """
    if not given:
        return [Target(name="start", path=None)]
    targets: dict[str, Target] = {}
    for target in (target for path in given for target in _targets_at(path)):
        other = targets.setdefault(target.name, target)
        if other.path != target.path:
            raise InputError(
                f"expected --ckpt_path to name weights with different names, but {other.path} and {target.path} would "
                f"both be evaluation/{target.name}.json: evaluate one of them in another --trainer.default_root_dir"
            )
    return list(targets.values())


def _targets_at(given: str) -> list[Target]:
    path = Path(given)
    if path.name.endswith(".ckpt") or (path.is_dir() and any(path.glob("*/*_model_states.pt"))):
        return [_checkpoint(path)]
    if _is_model(path):
        return [_model(path)]
    if path.is_dir():
        return _in_folder(path)
    if not path.exists() and _HUB_ID.fullmatch(given):
        return [Target(name=given.rpartition("/")[2], path=given)]
    what = "it is none of these" if path.exists() else "there is none"
    raise InputError(
        "expected a checkpoint (NAME.ckpt), a Hugging Face folder, a hub id or a run directory at --ckpt_path "
        f"{given}, but {what}"
    )


def _in_folder(folder: Path) -> list[Target]:
    """A run's checkpoints, or what lies in the folder itself."""
    inside = folder / "checkpoints" if (folder / "checkpoints").is_dir() else folder
    found = [_checkpoint(one.path) for one in reversed(checkpoints(inside))]
    models = sorted((path for path in inside.iterdir() if _is_model(path)), key=lambda path: stage_order(path.name))
    found = found or [_model(path) for path in models]
    if not found:
        raise InputError(
            f"expected checkpoints (NAME.ckpt) or Hugging Face folders in --ckpt_path {inside}, but there is none"
        )
    return found


def _checkpoint(path: Path) -> Target:
    if not path.exists():
        raise InputError(f"expected a checkpoint at --ckpt_path {path}, but there is none")
    if not is_complete(path):
        raise InputError(
            f"expected a whole checkpoint of fit at --ckpt_path {path}, but it is none, or a part of it is missing or "
            "cut short: name the others, or move it away"
        )
    return Target(name=path.name.removesuffix(".ckpt"), path=str(path))


def _model(path: Path) -> Target:
    return Target(name=path.resolve().name, path=str(path))


def _is_model(path: Path) -> bool:
    return not path.name.startswith(".") and (path / "config.json").is_file()


def check_vocabulary(path: str, vocabulary: Mapping[str, int], own: Mapping[str, int]) -> None:
    """Compare a folder's tokenizer with the one that prompts are encoded with.

    Args:
        path: The folder or hub id.
        vocabulary: Token → id of its tokenizer.
        own: The same of ``data.tokenizer``.

    Raises:
        InputError: They differ.
    """
    strange = sorted(token for token in vocabulary.keys() | own.keys() if vocabulary.get(token) != own.get(token))
    if strange:
        raise InputError(
            f"expected a model with the vocabulary of --data.tokenizer at --ckpt_path {path}, but {len(strange)} of "
            f"{len(own)} tokens differ, {strange[0]!r} among them: give it as --model.model, whose tokenizer is taken"
        )
