"""Names made harmless, looks told apart, files without dates."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.figures.style import NUM_MARKERS, Format, legend_columns, look, plain, save, styled


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("w/ MTL+RESET", "w/ MTL+RESET"),
        ("a\n b\t c", "a b c"),
        ("\u202eTESER", "\\u202eTESER"),
        ("\x1b[2J", "\\x1b[2J"),
        ("_hidden", " _hidden"),
        ("x" * 25, "x" * 23 + "…"),
        ("", "–"),
    ],
)
def test_a_name_is_one_short_line_that_hides_nothing(name: str, shown: str) -> None:
    assert plain(name) == shown


def test_looks_differ_without_colour() -> None:
    first = [look(index) for index in range(6)]
    assert len({str(one.line) for one in first}) == 6
    assert len({one.hatch for one in first}) == 6
    assert len({look(index).marker for index in range(NUM_MARKERS)}) == NUM_MARKERS


def test_fills_differ_in_lightness_from_their_neighbour() -> None:
    """As a grey printer shows them (ITU-R BT.709); the hatches come on top."""
    from matplotlib.colors import to_rgb

    greys = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (to_rgb(look(index).colour) for index in range(4))]
    assert all(abs(a - b) > 0.1 for a, b in pairwise(greys))


def test_a_legend_has_one_row_where_the_names_fit() -> None:
    assert legend_columns(["CD", "CD→IF", "CD→CD"]) == 3
    assert legend_columns(["chat, zero-shot", "IF→CD (w/o MTL)", "IF→IF"]) == 2
    assert legend_columns(["x" * 24, "y" * 24]) == 2


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_a_file_holds_no_date_and_its_fonts_whole(tmp_path: Path, kind: Format) -> None:
    from matplotlib.figure import Figure

    with styled():
        figure = Figure()
        figure.add_subplot().set_title("A title")
    save(figure, tmp_path / f"a.{kind}", kind)
    content = (tmp_path / f"a.{kind}").read_bytes()
    assert not any(word in content for word in (b"CreationDate", b"dc:date", b"Matplotlib v", b"tIME"))
    if kind == "pdf":
        assert b"/CIDFontType2" in content or b"/TrueType" in content
        assert b"/Type3" not in content


def test_the_readers_settings_are_left_alone_and_do_not_matter() -> None:
    from matplotlib import rcParams

    before = rcParams["font.size"]
    rcParams["font.size"] = 31
    try:
        with styled():
            assert rcParams["font.size"] == 7
            assert rcParams["axes.edgecolor"] == "black"
        assert rcParams["font.size"] == 31
    finally:
        rcParams["font.size"] = before


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    (tmp_path / "a.svg").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        save(Figure(), tmp_path / "a.svg", "svg")
