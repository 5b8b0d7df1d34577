"""``python -m reset_pl``: picks the command and pays only for what that command imports."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from reset_pl import __version__
from reset_pl.errors import InputError
from reset_pl.interruption import catch_signals

HELP = f"""\
usage: python -m reset_pl COMMAND [options]

RESET {__version__}: rejection sampling for continued self-instruction tuning (arXiv 2407.21417).

commands:
  fit       tune a model, with RESET rounds in the loop: --config configs/mini/reset.yaml
  validate  loss of a checkpoint on the validation sets: --config … --ckpt_path …
  prepare   read, filter and check data sets once, for PreparedSource: --config configs/data/paper.yaml [--data_dir DIR]
  preview   show what the model reads, with the loss mask: --config … [--rows 2] [--html FILE]
  select    select from a finished round again: ROUND_DIR [--selector TopKSelector --selector.k 3] [--sensitivity]
  report    write a run's report.html: report RUN_DIRECTORY
  export    write a checkpoint as a Hugging Face folder, and prove it: CKPT OUT [--adapter] [--dtype bfloat16]
  judge-health  failures, agreement, noise, length bias and drift of a run's judges: RUN_OR_ROUND_DIR [--retest 200]

'python -m reset_pl COMMAND --help' shows a command's options; '--print_config' the configuration it would use.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status, 2 on bad input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP, end="")  # noqa: T201
        return 0
    if arguments[0] == "--version":
        print(__version__)  # noqa: T201
        return 0
    try:
        return _run(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2


def _run(arguments: list[str]) -> int:
    command, *rest = arguments
    if command in ("fit", "validate"):
        if command == "fit":
            catch_signals()  # before the imports, which take seconds
        from reset_pl.cli import run_lightning

        return run_lightning()
    if command == "prepare":
        from reset_pl.preparation.command import main as prepare

        return prepare(rest)
    if command == "preview":
        from reset_pl.preview.command import run_preview

        return run_preview(rest)
    if command == "select":
        from reset_pl.reselection.command import main as select

        return select(rest)
    if command == "judge-health":
        from reset_pl.judge_health import main as judge_health

        return judge_health(rest)
    if command == "export":
        from reset_pl.export import main as export

        return export(rest)
    if command == "report":
        from reset_pl.evaluation.report import write_report

        if len(rest) != 1 or rest[0].startswith("-"):
            print("usage: python -m reset_pl report RUN_DIRECTORY", file=sys.stderr)  # noqa: T201
            return 0 if rest in (["-h"], ["--help"]) else 2
        print(f"report: {write_report(Path(rest[0]))}")  # noqa: T201
        return 0
    raise InputError(
        "expected a command (fit, validate, prepare, preview, select, report, export or judge-health), but got "
        f"{command!r}; see python -m reset_pl --help"
    )


if __name__ == "__main__":
    sys.exit(main())
