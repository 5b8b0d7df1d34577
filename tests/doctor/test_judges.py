"""Judges, over real HTTP and real configs."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from reset_pl.doctor import judges
from reset_pl.doctor.judges import check_judges
from reset_pl.judging.grounding import SummacJudge
from reset_pl.judging.llm import LLMJudge
from tests.judging.misbehaving_server import MisbehavingServer

NLI = Path(__file__).parents[2] / "reset_pl" / "mini" / "models" / "nli"


def test_an_endpoint_answers_and_is_asked_once() -> None:
    with MisbehavingServer(reply="ok") as server:
        asked = [LLMJudge("m", name=name, base_url=server.base_url, api_key_env=None) for name in ("a", "b")]
        (finding,) = check_judges(asked)
        assert (finding.level, finding.subject) == ("ok", "judge a")
        assert sum(judge.client.requests for judge in asked) == 1


def test_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (finding,) = check_judges([LLMJudge("m")])
    assert finding.level == "red"
    assert "OPENAI_API_KEY" in finding.text


@pytest.mark.parametrize(("fault", "said"), [("401", "does not accept the key"), ("404", "has no model")])
def test_an_endpoint_that_refuses(fault: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-very-secret")
    with MisbehavingServer(faults=lambda _: fault) as server:
        (finding,) = check_judges([LLMJudge("m", base_url=server.base_url, api_key_env="SOME_KEY")])
    assert finding.level == "red"
    assert said in finding.text
    assert "very-secret" not in finding.text


def test_an_endpoint_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "PING_SECONDS", 0.3)
    with MisbehavingServer(latency=60) as server:
        (finding,) = check_judges([LLMJudge("m", base_url=server.base_url, api_key_env=None)])
    assert finding.level == "red"
    assert finding.fix


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (finding,) = check_judges([LLMJudge("m", base_url=f"http://127.0.0.1:{port}/v1", api_key_env=None)])
    assert finding.level == "red"
    assert "is the server running?" in finding.text


def test_nli_labels(tmp_path: Path) -> None:
    (finding,) = check_judges([SummacJudge(str(NLI)), SummacJudge(str(NLI))])
    assert finding.level == "ok"
    assert "entailment is 'entailment'" in finding.text
    shutil.copytree(NLI, tmp_path / "nli")
    config = json.loads((tmp_path / "nli" / "config.json").read_text())
    config["id2label"] = {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    (tmp_path / "nli" / "config.json").write_text(json.dumps(config))
    for folder, said in ((tmp_path / "nli", "id2label"), (tmp_path / "absent", "expected an NLI model")):
        (finding,) = check_judges([SummacJudge(str(folder))])
        assert finding.level == "red"
        assert said in finding.text
