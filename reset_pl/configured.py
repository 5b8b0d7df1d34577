"""Parts of what ``fit`` would make of its arguments, for commands that do not train."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import Callback
from lightning.pytorch.cli import LightningArgumentParser

from reset_pl.arguments import configs_first
from reset_pl.cli import Parser, ResetCLI, command_line
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.errors import InputError
from reset_pl.records import Judge


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fit before it begins: nothing of it is larger than its data."""

    settings: Namespace
    """The resolved ``trainer``, ``model``, ``data`` and ``seed_everything``."""
    resolved: str
    """The same as YAML, as ``config.yaml`` would hold it."""
    data: ResetDataModule
    """The data module."""
    callbacks: list[Callback]
    """The trainer's, with judges whose caches are off."""

    def callback(self, name: str) -> Any:
        """The callback of a class, as ``ResetRounds``; none where it is not configured."""
        return next((callback for callback in self.callbacks if type(callback).__name__ == name), None)


def load_fit(arguments: list[str]) -> Fit:
    """What ``fit`` would have with these arguments; no model and no trainer are made, and no run directory is touched.

    Raises:
        InputError: A file or an argument is not what ``fit`` takes.
    """
    return _command_line(_FitParts, arguments).fit


def load_datamodule(arguments: list[str]) -> ResetDataModule:
    """The data module that ``fit`` would have with these arguments; no model and no trainer are made.

    Raises:
        InputError: A file or an argument is not what ``fit`` takes.
    """
    return _command_line(_DataOnly, arguments).datamodule


def load_judges(arguments: list[str]) -> list[Judge]:
    """The judges of the rounds that ``fit`` would run with these arguments, their caches off; nothing else is made.

    Raises:
        InputError: A file or an argument is not what ``fit`` takes, or no rounds are configured.
    """
    return _command_line(_JudgesOnly, arguments).judges


class _DataOnly(ResetCLI):
    """Parses what ``fit`` parses, and makes nothing of it but the data module."""

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Read the arguments given; those of the process are another command's."""
        self.config = parser.parse_args(args)

    def before_instantiate_classes(self) -> None:
        """Any run directory will do."""

    def instantiate_classes(self) -> None:
        """Make the data module, with what is linked to it."""
        self.datamodule = self._parser("fit").instantiate_classes(Namespace(data=self._settings.data)).data

    def _run_subcommand(self, subcommand: str) -> None:
        """Run nothing."""


class _FitParts(_DataOnly):
    """Parses what ``fit`` parses, and makes what is small."""

    def instantiate_classes(self) -> None:
        """Make the data module and the callbacks."""
        super().instantiate_classes()
        chosen = self._settings.trainer.callbacks or []
        chosen = deepcopy(chosen if isinstance(chosen, list) else [chosen])
        for entry in chosen:
            _without_caches([judge for key in _JUDGES for judge in (entry.get("init_args") or {}).get(key) or []])
        self.fit = Fit(
            settings=self._settings,
            resolved=self._resolved(),
            data=self.datamodule,
            callbacks=_made(chosen, Callback),
        )


class _JudgesOnly(_DataOnly):
    """Parses what ``fit`` parses, and makes nothing of it but the judges of its rounds, without their caches."""

    def instantiate_classes(self) -> None:
        """Make the judges, those held out too."""
        rounds = [entry.init_args for entry in self._settings.trainer.callbacks or [] if _is_rounds(entry)]
        if not rounds:
            raise InputError("expected callbacks.ResetRounds with its judges in --config, but there is none")
        chosen = [judge for entry in rounds for key in _JUDGES for judge in entry.get(key) or []]
        _without_caches(chosen)
        self.judges: list[Judge] = _made(chosen, Judge)


_JUDGES = ("judges", "held_out_judges")


def _is_rounds(entry: Namespace) -> bool:
    return bool(entry.class_path.rpartition(".")[2] == "ResetRounds")


def _without_caches(judges: list[Namespace]) -> None:
    for judge in judges:
        if "cache_dir" in (judge.get("init_args") or {}):
            judge.init_args.cache_dir = None


def _made(chosen: list[Namespace], kind: type) -> list[Any]:
    """Instances of what a list of the configuration names."""
    parser = Parser()
    parser.add_argument("--chosen", type=list[kind])  # type: ignore[valid-type]
    return parser.instantiate_classes(Namespace(chosen=chosen)).chosen


def _command_line(kind: Any, arguments: list[str]) -> Any:
    return command_line(kind, args=["fit", *configs_first(arguments)])
