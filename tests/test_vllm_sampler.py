"""Candidates from the real vLLM: the policy's weights go there, are proved, and a killed vLLM costs nothing committed.

Its environment is made by ``.ci/run`` (``.venv-vllm``); another one is named by ``VLLM_PYTHON``. vLLM takes 20 to 40 s
to start on two cores, so tests share what they can.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from transformers import LlamaConfig, LlamaForCausalLM

from reset_pl.data.encoding import Encoder, load_tokenizer
from reset_pl.data.prompts import VicunaTemplate
from reset_pl.errors import InputError
from reset_pl.mini import MODELS
from reset_pl.mini.sources import MiniSource
from reset_pl.policy.load import load_policy
from reset_pl.records import Candidate, Decoding, Example
from reset_pl.rounds.ledger import Ledger
from reset_pl.sampling import engine
from reset_pl.sampling.decoding import DecodingPlan, Draw, GreedyPlan, Plan, Sampler
from reset_pl.sampling.hand_over import Request
from reset_pl.sampling.hf import HFSampler
from reset_pl.sampling.vllm import VllmSampler
from tests.sampling.test_engine import alive, wait_for
from tests.test_restart import finish, start, write_config
from tests.test_vllm_server import PYTHON, pytestmark

__all__ = ["pytestmark"]

SETTINGS: dict[str, Any] = {
    "python": str(PYTHON),
    "enforce_eager": True,
    "engine_args": {"kv_cache_memory_bytes": 2**28},
}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    tokenizer = load_tokenizer(str(MODELS / "chat"))
    return Encoder(tokenizer=tokenizer, template=VicunaTemplate(), max_length=512, max_response_tokens=480)


@pytest.fixture(scope="module")
def policy() -> Any:
    return load_policy(str(MODELS / "chat"), "float32")


@pytest.fixture(scope="module")
def sampler(policy: Any, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmSampler]:
    """A sampler that holds the policy; at the end nothing is left of it."""
    folder = tmp_path_factory.mktemp("weights")
    sampler = VllmSampler(**SETTINGS, export_dir=str(folder))
    sampler.open(policy, encoder)
    assert not list(folder.rglob("*.safetensors")), "read, and deleted"
    process = processes_in(folder)
    yield sampler
    sampler.close()
    wait_for(lambda: not any(map(alive, process)))
    assert process
    assert not list(folder.iterdir())


def processes_in(folder: Path) -> list[int]:
    """Those whose working directory lies in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("cwd").readlink().is_relative_to(folder):
                found.append(int(process.name))
        except OSError:  # it has just ended
            continue
    return found


def draw(sampler: Sampler, examples: list[Example], plan: Plan) -> dict[str, Candidate]:
    return {candidate.id: candidate for candidate in sampler.sample(examples, plan)}


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return [*MiniSource(dataset="mini_nq").load()[:8], *MiniSource(dataset="mini_cnn").load()[:8]]


def test_greedy_answers_are_those_of_transformers(
    sampler: VllmSampler, policy: Any, encoder: Encoder, examples: list[Example]
) -> None:
    own = HFSampler()
    own.open(policy, encoder)
    expected = draw(own, examples, GreedyPlan(40))
    own.close()
    got = draw(sampler, examples, GreedyPlan(40))
    assert got == expected
    assert {candidate.finish_reason for candidate in got.values()} == {"stop", "length"}


def test_equal_seeds_equal_candidates_and_other_seeds_others(sampler: VllmSampler, examples: list[Example]) -> None:
    plan = DecodingPlan(max_new_tokens=16, procedures=2)
    first = draw(sampler, examples, plan.bind(round=0, seed=1))
    draw(sampler, examples[:3], plan.bind(round=0, seed=2))  # what is cached of it changes nothing
    assert draw(sampler, examples, plan.bind(round=0, seed=1)) == first
    assert len(first) == 14 * len(examples)
    other = draw(sampler, examples, plan.bind(round=0, seed=2))
    assert sum(other[name].text != candidate.text for name, candidate in first.items()) > len(first) / 3
    hot = [candidate.text for candidate in first.values() if candidate.decoding.label == "top_k=100"]
    assert len(set(hot)) > len(hot) / 2


def test_temperature_and_top_k_are_those_asked_for(sampler: VllmSampler, policy: Any, encoder: Encoder) -> None:
    """First tokens of many draws, against the probabilities of transformers."""
    example = MiniSource(dataset="mini_nq").load()[0]
    decoding = Decoding(temperature=1.6, top_k=3, max_new_tokens=1)

    class Many:
        def draws(self, example: Example) -> list[Draw]:
            return [
                Draw(candidate_id=str(n), round=0, procedure="p", decoding=decoding, seed=2**62 + n) for n in range(600)
            ]

    firsts = [candidate.token_ids for candidate in draw(sampler, [example], Many()).values()]
    with torch.no_grad():
        logits = policy(input_ids=torch.tensor([encoder.prompt_ids(example, 1)])).logits[0, -1]
    values, tokens = (logits / 1.6).topk(3)
    for token, probability in zip(tokens.tolist(), values.softmax(0).tolist(), strict=True):
        answer = () if token == encoder.tokenizer.eos_token_id else (token,)
        assert firsts.count(answer) / 600 == pytest.approx(probability, abs=5 * (0.25 / 600) ** 0.5)


def test_a_prompt_that_vllm_does_not_take_is_named(sampler: VllmSampler) -> None:
    assert sampler._engine is not None
    request: Request = {"id": "0/nq/7", "prompt": [5] * 3000, "parameters": {"max_tokens": 4}}
    with pytest.raises(InputError, match="does not take the prompt of 0/nq/7: .*maximum context length is 2048"):
        list(sampler._engine.ask([request]))


def test_weights_that_did_not_arrive_are_caught(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tied embeddings, reloaded in place: vLLM says nothing and would sample from other weights."""
    for name, seed in (("older", 0), ("newer", 1)):
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=len(encoder.tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            initializer_range=0.1,
            eos_token_id=2,
            tie_word_embeddings=True,
        )
        LlamaForCausalLM(config).save_pretrained(tmp_path / name)
    encoder.tokenizer.save_pretrained(tmp_path / "older")
    monkeypatch.setattr(engine, "WORKER", Path(__file__).with_name("reloading_worker.py"))
    monkeypatch.setenv("OLDER_WEIGHTS", str(tmp_path / "older"))
    sampler = VllmSampler(**SETTINGS, export_dir=str(tmp_path / "weights"))
    with pytest.raises(InputError, match="does not hold the policy's weights") as caught:
        sampler.open(load_policy(str(tmp_path / "newer"), "float32"), encoder)
    numbers = re.search(r"differ by ([\d.]+) .* has (-[\d.]+) in the trainer and (-[\d.]+) in vLLM", str(caught.value))
    assert numbers is not None, caught.value
    assert float(numbers[1]) > 0.1
    wait_for(lambda: not processes_in(tmp_path))


def test_a_whole_run_with_vllm_killed_in_the_middle_of_its_round(tmp_path: Path) -> None:
    config = write_config(tmp_path, MODELS / "chat")
    settings = yaml.safe_load(config.read_text())
    rounds = settings["trainer"]["callbacks"][-1]["init_args"]
    weights = tmp_path / "weights"
    rounds["sampler"] = {"class_path": "VllmSampler", "init_args": {**SETTINGS, "export_dir": str(weights)}}
    rounds["rounds"] = 1
    rounds["plan"]["max_new_tokens"] = 300
    config.write_text(yaml.safe_dump(settings))
    ledger = Ledger(tmp_path / "run" / "rounds" / "round-000")

    process = start(config)
    end = time.monotonic() + 200
    while not list(ledger.parts.glob("candidates-*.parquet")):
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < end, "the moment to kill it never came"
        time.sleep(0.01)
    (worker,) = processes_in(weights)
    os.kill(worker, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output[-3000:]
    assert "expected vLLM to answer, but it ended with exit status -9; start the same command again" in output
    assert "Traceback" not in output

    committed = sorted(ledger.parts.glob("candidates-*.parquet"))
    assert 1 <= len(committed) < 5
    marked = set()
    for part in committed:  # a mark that drawing them again would wipe out
        table = pq.read_table(part)
        rows = [{**row, "text": f"{row['text']} (marked)"} for row in table.to_pylist()]
        marked |= {row["id" if "id" in row else "candidate_id"] for row in rows}
        pq.write_table(type(table).from_pylist(rows, schema=table.schema), part)

    assert "going on from" in finish(config)
    rows = ledger.read_table("candidates")
    kept = {row["id" if "id" in row else "candidate_id"] for row in rows if row["text"].endswith("(marked)")}
    assert kept == marked
    assert len({row["example_id"] for row in rows}) == 20
    manifest = json.loads((ledger.directory / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert 1 < manifest["seconds"]["start"] < 300
    assert (tmp_path / "run" / "evaluation" / "round-000.json").exists(), "the curated epoch ran"
    assert not list(weights.rglob("*.safetensors"))
    assert not processes_in(weights)
