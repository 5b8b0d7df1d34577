"""The folder of a preparation: what is in it already, and its manifest."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reset_pl.data.prepared import MANIFEST
from reset_pl.errors import InputError
from reset_pl.files import committed
from reset_pl.preparation.parts import make_folder
from reset_pl.preparation.plan import SPLITS, Settings
from reset_pl.preparation.sets import PreparedSet


def finished(settings: Settings, fingerprint: str) -> dict[str, Any] | None:
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


def write_rows(prepared: PreparedSet, folder: Path) -> dict[str, Any]:
    """A set's entry of the manifest; its row numbers are written where they are needed."""
    rows = None
    if not prepared.is_all:
        rows = f"{prepared.split}/{prepared.name}/rows-{prepared.fingerprint}.npy"
        if not (folder / rows).exists():  # named after what is in it
            content = io.BytesIO()
            np.save(content, prepared.rows)
            make_folder((folder / rows).parent)
            with committed(folder / rows) as file:
                file.write(content.getbuffer())
    return {
        "files": [str(part.path.relative_to(folder)) for part in prepared.parts],
        "rows": rows,
        "n": len(prepared.rows),
        "fingerprint": prepared.fingerprint,
    }


def write_manifest(
    prepared: Sequence[PreparedSet], entries: Sequence[dict[str, Any]], fingerprint: str, settings: Settings
) -> None:
    """Commit the preparation: the last file that is written."""
    splits: dict[str, dict[str, Any]] = {split: {} for split in SPLITS}
    for own, entry in zip(prepared, entries, strict=True):
        splits[own.split][own.name] = entry
    manifest = {"format": 1, "fingerprint": fingerprint, "limit": settings.limit, "splits": splits}
    with committed(settings.output_dir / MANIFEST) as file:
        file.write((json.dumps(manifest, indent=2) + "\n").encode())
