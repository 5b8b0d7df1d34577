"""``python -m reset_pl study``: what its parser says; whole studies lie in ``tests/test_study.py``."""

from __future__ import annotations

import pytest

from reset_pl.study import command


def test_help_says_once_what_it_does(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "catch_signals", lambda *_: None)  # handlers would outlive the test
    with pytest.raises(SystemExit):
        command.main(["--help"])
    text = capsys.readouterr().out
    assert text.count("Run every arm of a study") == 1
    assert text.startswith("usage: python -m reset_pl study ")
