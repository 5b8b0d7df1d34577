"""A committed file is whole or not there, and nothing temporary is left, whatever breaks the write."""

from __future__ import annotations

from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.files import committed


def break_off(path: Path, reason: BaseException) -> None:
    with committed(path) as file:
        file.write(b"half of")
        raise reason


def test_a_file_appears_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with committed(path) as file:
        file.write(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("broken_by", [ValueError("a bad row"), UnicodeError("a bad text"), KeyboardInterrupt()])
def test_whatever_breaks_the_write_goes_on_and_leaves_the_old_file_alone(
    tmp_path: Path, broken_by: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with pytest.raises(type(broken_by)) as raised:
        break_off(path, broken_by)
    assert raised.value is broken_by
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(InputError, match=r"cannot write .*file: No space left") as raised:
        break_off(path, OSError(28, "No space left on device"))
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(InputError, match="Not a directory"), committed(tmp_path / "folder" / "file"):
        pass
