"""What belongs to no set goes; what is in use, what is being written and what somebody else made stays."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reset_pl.preparation.leftovers import DAY, SCRATCH, sweep
from reset_pl.preparation.sets import PreparedSet
from tests.conftest import make_example

ENCODER = "0123456789abcdef"
OLD = "aaaaaaaaaaaaaaaa"
PART = "00-own-0123456789ab-00000-of-00001.arrow"


def fill(folder: Path, *names: str, age: float = 0.0) -> Path:
    """A folder with files, all written ``age`` seconds ago."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in names]
    for path in paths:
        path.write_text("x")
    for path in (*paths, folder):
        os.utime(path, (time.time() - age,) * 2)
    return folder


def encode(home: Path, name: str, age: float = 0.0) -> Path:
    return fill(
        home / "encoded" / ENCODER / name, "tokens.bin", "offsets.npy", "prompt_lengths.npy", "meta.json", age=age
    )


@pytest.fixture
def own(prepared: Callable[..., PreparedSet], tmp_path: Path) -> PreparedSet:
    """A set ``train/qa`` that was written a minute ago."""
    made = prepared("train", "qa", [make_example(n) for n in range(3)])
    for part in made.parts:
        os.utime(part.path, (time.time() - 60,) * 2)
    return made


def test_encoded_rows_stay_while_their_set_does(own: PreparedSet, tmp_path: Path) -> None:
    home = tmp_path / "train/qa"
    kept = [encode(home, own.fingerprint, age=3600), encode(home, "bbbbbbbbbbbbbbbb", age=30)]  # the second of a sample
    gone = encode(home, OLD, age=3600)
    sweep([own], tmp_path)
    assert all((path / "tokens.bin").exists() for path in kept)
    assert not gone.exists()
    assert own.parts[0].path.exists()
    stale = fill(home, PART) / PART
    sweep([own], tmp_path)
    assert [path.exists() for path in (*kept, stale)] == [True, False, False], "the set has changed, so has its sample"


def test_unfinished_rows_go_after_a_day(own: PreparedSet, tmp_path: Path) -> None:
    young, old = (encode(tmp_path / "train/qa", f".unfinished-{age}", age=age) for age in (DAY - 99, DAY + 99))
    sweep([own], tmp_path)
    assert (young.exists(), old.exists()) == (True, False)


def test_the_folder_of_a_set_that_is_gone_goes(own: PreparedSet, tmp_path: Path) -> None:
    home = fill(tmp_path / "test/old", PART, f"rows-{OLD}.npy", f".{PART}.12.tmp")
    encode(home, OLD, age=1)
    mine = fill(tmp_path / "test/mine", PART, "notes.txt")
    encode(mine, OLD, age=1)
    (mine / "encoded" / ENCODER / OLD / "notes.txt").write_text("x")
    fill(mine / "encoded" / "by_hand" / OLD, "tokens.bin")
    fill(tmp_path / "other" / "old", PART)
    sweep([own], tmp_path)
    assert not home.exists()
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {
        "train/qa/0.arrow",
        "test/mine/notes.txt",
        f"test/mine/encoded/{ENCODER}/{OLD}/notes.txt",
        f"test/mine/encoded/by_hand/{OLD}/tokens.bin",
        f"other/old/{PART}",
    }


def test_the_encoded_rows_of_a_set_held_out_stay(prepared: Callable[..., PreparedSet], tmp_path: Path) -> None:
    """They stand beside the training set's, whose files it has."""
    from dataclasses import replace

    train = prepared("train", "qa", [make_example(n) for n in range(4)])
    held = replace(train, split="validation", rows=np.array([1]))
    train.rows = np.array([0, 2, 3])
    for own in (train, held):
        fill(tmp_path / own.split / own.name, f"rows-{own.fingerprint}.npy")
        encode(tmp_path / "train/qa", own.fingerprint, age=99)
    sweep([train, held], tmp_path)
    assert len(list(tmp_path.glob("train/qa/encoded/*/*/tokens.bin"))) == 2
    assert len(list(tmp_path.glob("*/qa/rows-*.npy"))) == 2


def test_a_comparison_that_was_killed_leaves_nothing(own: PreparedSet, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    files = ("known.npy", "may_be_known.npy")
    killed = fill(tmp_path / f".overlap-{socket.gethostname()}-{int(done.stdout)}-abc_1", *files)
    running = fill(tmp_path / f"{SCRATCH}abc", *files)
    elsewhere = fill(tmp_path / ".overlap-another-host-1-abc", *files)
    ancient = fill(tmp_path / ".overlap-abc", *files, age=DAY + 1)
    sweep([own], tmp_path)
    assert [path.exists() for path in (killed, running, elsewhere, ancient)] == [False, True, True, False]
