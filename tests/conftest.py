"""One tiny model, one small tokenizer, one scripted sampler and judge for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from reset_pl import interruption
from reset_pl.records import Aspect, Candidate, Example, Judge, Objective, Status, Verdict
from reset_pl.sampling.decoding import Draw, Plan, Sampler
from tests.synthetic_run import build_run

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def save_tokenizer(folder: Path) -> None:
    """A byte-level tokenizer in which every byte is a token: shapes are easy to predict and any text round-trips."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)


def save_causal_lm(folder: Path, seed: int = 0) -> None:
    """A random Llama of two layers, width 16."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=259,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


@pytest.fixture
def caught_signals() -> Iterator[None]:
    """Signals to this process raise the flag, as in ``fit``; afterwards nothing is left of it."""
    before = {number: signal.getsignal(number) for number in interruption.SIGNALS}
    interruption.catch_signals()
    yield
    interruption._received.clear()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random causal LM with its tokenizer."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    save_tokenizer(folder)
    save_causal_lm(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def make_example(number: int, *, dataset: str = "qa", objective: str = "extractive_qa", **changes: Any) -> Example:
    """An example whose passage holds its answer, ``w<number>``."""
    fields: dict[str, Any] = {
        "id": f"{dataset}/{number}",
        "dataset": dataset,
        "objective": Objective(objective),
        "instruction": "Answer.",
        "question": f"Which word {number}?",
        "passages": (f"It is w{number} here.",),
        "response": f"w{number}",
        "references": (f"w{number}",),
    }
    return Example(**{**fields, **changes})


class ScriptedSampler(Sampler):
    """Answers from a function of (example, draw); counts what it drew, so that a test sees work done twice."""

    def __init__(self, answer: Callable[[Example, Draw], str]) -> None:
        self.answer = answer
        self.drawn: list[str] = []

    def open(self, policy: Any, encoder: Any) -> None:
        pass

    def close(self) -> None:
        pass

    def sample(self, examples: Sequence[Example], plan: Plan) -> Iterable[Candidate]:
        for example in examples:
            for draw in plan.draws(example):
                self.drawn.append(draw.candidate_id)
                text = self.answer(example, draw)
                yield Candidate(
                    id=draw.candidate_id,
                    example_id=example.id,
                    round=draw.round,
                    procedure=draw.procedure,
                    decoding=draw.decoding,
                    text=text,
                    token_ids=tuple(range(len(text.split()))),
                    finish_reason="length" if text.endswith("…") else "stop",
                    seed=draw.seed,
                )


class ScriptedJudge(Judge):
    """Scores by a function of (example, candidate): a number, none to abstain, or an exception to fail."""

    version = "1"

    def __init__(
        self, rate: Callable[[Example, Candidate], float | None], name: str = "scripted", aspect: str = "faithfulness"
    ) -> None:
        self.rate = rate
        self.name = name
        self.aspect = Aspect(aspect)
        self.judged: list[str] = []

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        for example, candidate in pairs:
            self.judged.append(candidate.id)
            score, status, detail = None, Status.SCORED, ""
            try:
                score = self.rate(example, candidate)
                status = Status.ABSTAINED if score is None else Status.SCORED
            except RuntimeError as error:
                status, detail = Status.FAILED, str(error)
            yield Verdict(
                candidate_id=candidate.id,
                judge=self.name,
                version=self.version,
                aspect=self.aspect,
                status=status,
                score=score,
                raw=score,
                detail=detail,
            )


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A complete run directory, made by hand."""
    return build_run(tmp_path / "run")
