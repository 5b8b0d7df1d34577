from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from transformers import GenerationConfig
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from reset_pl.data.encoding import Encoder
from reset_pl.records import Candidate, Decoding, Example, stable_hash
from reset_pl.sampling.decoding import DecodingPlan, Draw, GreedyPlan, Plan
from reset_pl.sampling.hf import HFSampler, InverseCdfSampling, filtered_probabilities, uniforms

MakeExamples = Callable[..., list[Example]]
EOS = 2


@dataclass
class ListPlan:
    """The same decodings for every example."""

    decodings: Sequence[Decoding]

    def draws(self, example: Example) -> list[Draw]:
        names = [f"0/{example.id}/list/{i}" for i in range(len(self.decodings))]
        return [
            Draw(candidate_id=name, round=0, procedure="list", decoding=decoding, seed=stable_hash(name))
            for name, decoding in zip(names, self.decodings, strict=True)
        ]


def sample(
    policy: Any, encoder: Encoder, examples: Sequence[Example], plan: Plan, batch_size: int = 256
) -> dict[str, Candidate]:
    sampler = HFSampler(batch_size=batch_size)
    sampler.open(policy, encoder)
    candidates = list(sampler.sample(examples, plan))
    sampler.close()
    assert len({candidate.id for candidate in candidates}) == len(candidates)
    return {candidate.id: candidate for candidate in candidates}


@torch.no_grad()
def draw_by_hand(policy: Any, prompt: list[int], draw: Draw) -> list[int]:
    """One answer, token by token without padding or cache, by transformers' own warpers; ends with its last token."""
    policy.eval()
    ids = list(prompt)
    stream = uniforms(draw.seed, draw.decoding.max_new_tokens).tolist()
    for uniform in stream:
        scores = policy(input_ids=torch.tensor([ids])).logits[:, -1].double()
        if draw.decoding.temperature == 0:
            token = int(scores.argmax())
        else:
            cumulative = warped(scores, draw.decoding).cumsum(dim=-1)[0]
            token = int((cumulative <= uniform).sum())
        ids.append(token)
        if token == EOS:
            break
    return ids[len(prompt) :]


def warped(scores: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Probabilities of one row as ``generate`` with ``do_sample`` has them."""
    scores = TemperatureLogitsWarper(decoding.temperature)(None, scores)
    if decoding.top_k:
        scores = TopKLogitsWarper(decoding.top_k)(None, scores)
    if decoding.top_p < 1:
        scores = TopPLogitsWarper(decoding.top_p)(None, scores)
    return scores.softmax(dim=-1)


# ---------------------------------------------------------------- greedy


def test_greedy_is_a_plain_argmax_loop_whatever_the_padding(
    policy: Any, encoder: Encoder, make_examples: MakeExamples
) -> None:
    examples, plan = make_examples(5), GreedyPlan(max_new_tokens=12)
    candidates = sample(policy, encoder, examples, plan)
    for example in examples:
        (draw,) = plan.draws(example)
        prompt = encoder.prompt_ids(example, 12)
        answer = draw_by_hand(policy, prompt, draw)
        candidate = candidates[draw.candidate_id]
        assert list(candidate.token_ids) == [token for token in answer if token != EOS]
        assert candidate.finish_reason == ("stop" if EOS in answer else "length")
    assert len({candidate.token_ids for candidate in candidates.values()}) > 1


def test_greedy_is_transformers_own(policy: Any, encoder: Encoder, make_examples: MakeExamples) -> None:
    for candidate_id, candidate in sample(policy, encoder, make_examples(3), GreedyPlan(max_new_tokens=12)).items():
        (example,) = [example for example in make_examples(3) if f"greedy/{example.id}" == candidate_id]
        input_ids = torch.tensor([encoder.prompt_ids(example, 12)])
        output = policy.eval().generate(
            input_ids, attention_mask=torch.ones_like(input_ids), max_new_tokens=12, do_sample=False
        )
        assert list(candidate.token_ids) == [t for t in output[0, input_ids.shape[1] :].tolist() if t not in (0, EOS)]


def test_the_models_own_generation_settings_have_no_say(
    policy: Any, encoder: Encoder, make_examples: MakeExamples
) -> None:
    plan = ListPlan([Decoding(temperature=0.0, max_new_tokens=10), Decoding(temperature=1.0, max_new_tokens=10)])
    plain = sample(policy, encoder, make_examples(3), plan)
    banned = sorted({token for candidate in plain.values() for token in candidate.token_ids})
    own = GenerationConfig(
        do_sample=True,
        temperature=0.3,
        top_k=1,
        repetition_penalty=9.0,
        suppress_tokens=banned,
        min_new_tokens=9,
        eos_token_id=EOS,
        pad_token_id=0,
    )
    policy.generation_config = own
    assert sample(policy, encoder, make_examples(3), plan) == plain
    assert policy.generation_config is own


# ---------------------------------------------------------------- sampled


def test_every_row_is_drawn_by_its_own_decoding(policy: Any, encoder: Encoder, make_examples: MakeExamples) -> None:
    """Greedy and sampled rows of unlike settings, prompts and limits share a batch; each is as drawn alone by hand."""
    plan = ListPlan(
        [
            Decoding(temperature=0.0, max_new_tokens=8),
            Decoding(temperature=0.3, max_new_tokens=12),
            Decoding(temperature=1.0, top_k=3, max_new_tokens=5),
            Decoding(temperature=1.0, top_k=1, max_new_tokens=8),
            Decoding(temperature=0.9, top_p=0.8, max_new_tokens=12),
            Decoding(temperature=1.5, top_k=50, top_p=0.9, max_new_tokens=3),
        ]
    )
    examples = make_examples(4)
    candidates = sample(policy, encoder, examples, plan)
    for example in examples:
        prompt = encoder.prompt_ids(example, 12)
        for draw in plan.draws(example):
            answer = draw_by_hand(policy, prompt, draw)
            candidate = candidates[draw.candidate_id]
            assert list(candidate.token_ids) == [token for token in answer if token != EOS], draw.decoding
            assert len(answer) <= draw.decoding.max_new_tokens
        greedy, top_1 = (candidates[plan.draws(example)[i].candidate_id] for i in (0, 3))
        assert greedy.token_ids == top_1.token_ids


def test_a_chunk_gives_the_same_candidates_every_time(
    policy: Any, encoder: Encoder, make_examples: MakeExamples
) -> None:
    plan, examples = DecodingPlan(max_new_tokens=8).bind(round=0, seed=0), make_examples(4)
    first = sample(policy, encoder, examples, plan)
    torch.manual_seed(99)
    assert sample(policy, encoder, examples[::-1], plan) == first
    assert len({candidate.token_ids for candidate in first.values()}) > len(first) / 2


def test_the_order_of_the_examples_changes_neither_batches_nor_order(
    policy: Any, encoder: Encoder, make_examples: MakeExamples
) -> None:
    plan, examples = DecodingPlan(max_new_tokens=3).bind(round=0, seed=0), make_examples(6)
    first = list(sample(policy, encoder, examples, plan, batch_size=10))
    assert list(sample(policy, encoder, examples[3:] + examples[:3], plan, batch_size=10)) == first


def test_sampling_leaves_the_global_random_state_alone(
    policy: Any, encoder: Encoder, make_examples: MakeExamples
) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    sample(policy, encoder, make_examples(2), DecodingPlan(max_new_tokens=4).bind(round=0, seed=0))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_batch_size_cuts_but_loses_nothing(policy: Any, encoder: Encoder, make_examples: MakeExamples) -> None:
    plan, examples = DecodingPlan(max_new_tokens=6).bind(round=0, seed=0), make_examples(3)
    whole = sample(policy, encoder, examples, plan)
    assert len(whole) == 21
    for batch_size in (1, 4):
        assert sample(policy, encoder, examples, plan, batch_size) == whole


def test_other_seeds_give_other_answers(policy: Any, encoder: Encoder, make_examples: MakeExamples) -> None:
    texts = []
    for seed in (0, 1):
        plan = DecodingPlan(temperatures=(1.0, 2.0), top_ks=(), max_new_tokens=8).bind(round=0, seed=seed)
        texts.append([candidate.token_ids for candidate in sample(policy, encoder, make_examples(2), plan).values()])
    assert not set(texts[0]) & set(texts[1])


def test_no_examples_give_no_candidates(policy: Any, encoder: Encoder) -> None:
    assert sample(policy, encoder, [], GreedyPlan()) == {}


# ---------------------------------------------------------------- how answers end


def test_answers_end_by_themselves_or_at_their_limit(
    policy: Any, encoder: Encoder, make_examples: MakeExamples
) -> None:
    with torch.no_grad():
        policy.lm_head.weight.zero_()  # every token is as likely as any other
    limits = (1, 40, 150, 300)
    plan = ListPlan([Decoding(temperature=1.0, max_new_tokens=limit) for limit in limits])
    examples = make_examples(8)
    candidates = sample(policy, encoder, examples, plan)
    reasons = set()
    for example in examples:
        for draw, limit in zip(plan.draws(example), limits, strict=True):
            candidate = candidates[draw.candidate_id]
            # All logits are equal: the token is the uniform number times the size of the vocabulary.
            tokens = (uniforms(draw.seed, limit) * 259).long().tolist()
            expected = tokens[: tokens.index(EOS)] if EOS in tokens else tokens
            assert list(candidate.token_ids) == expected
            assert candidate.finish_reason == ("stop" if EOS in tokens else "length")
            assert "</s>" not in candidate.text
            reasons.add((limit, candidate.finish_reason))
    assert {(300, "stop"), (150, "length"), (1, "length")} <= reasons


def test_an_end_at_the_last_token_allowed_is_an_end(
    policy: Any, encoder: Encoder, make_examples: MakeExamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripted: every answer is x y <end>."""
    script = [3 + ord("x"), 3 + ord("y"), EOS, 9, 9]

    def generate(input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        return torch.cat([input_ids, torch.tensor([script] * len(input_ids))], dim=1)

    monkeypatch.setattr(policy, "generate", generate)
    plan = ListPlan([Decoding(temperature=0.0, max_new_tokens=limit) for limit in (2, 3, 5)])
    candidates = list(sample(policy, encoder, make_examples(1), plan).values())
    assert [candidate.finish_reason for candidate in candidates] == ["length", "stop", "stop"]
    assert [len(candidate.token_ids) for candidate in candidates] == [2, 2, 2]


def test_a_candidate_says_where_it_comes_from(policy: Any, encoder: Encoder, make_examples: MakeExamples) -> None:
    (example,) = make_examples(1)
    plan = DecodingPlan(max_new_tokens=6).bind(round=4, seed=0)
    candidates = sample(policy, encoder, [example], plan)
    for draw in plan.draws(example):
        candidate = candidates[draw.candidate_id]
        assert (candidate.example_id, candidate.round, candidate.procedure) == (example.id, 4, draw.procedure)
        assert (candidate.decoding, candidate.seed) == (draw.decoding, draw.seed)
        assert candidate.text == encoder.tokenizer.decode(candidate.token_ids, skip_special_tokens=True).strip()


def test_a_prompt_leaves_room_for_the_longest_answer(
    policy: Any, tokenizer: Any, encoder: Encoder, make_examples: MakeExamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserved = []
    monkeypatch.setattr(
        Encoder, "prompt_ids", lambda self, example, reserve: reserved.append(reserve) or [5, 6], raising=True
    )
    plan = ListPlan([Decoding(temperature=0.0, max_new_tokens=3), Decoding(temperature=0.0, max_new_tokens=7)])
    sample(policy, encoder, make_examples(2), plan)
    assert reserved == [7, 7]


@pytest.mark.parametrize("training", [True, False])
def test_the_model_gets_its_mode_back(
    policy: Any, encoder: Encoder, make_examples: MakeExamples, training: bool
) -> None:
    policy.train(training)
    sampler = HFSampler()
    sampler.open(policy, encoder)
    assert not policy.training
    list(sampler.sample(make_examples(1), GreedyPlan(max_new_tokens=2)))
    sampler.close()
    assert policy.training is training
    assert all(parameter.requires_grad and not parameter.is_inference() for parameter in policy.parameters())


# ---------------------------------------------------------------- probabilities and draws

DECODINGS = st.builds(
    Decoding,
    temperature=st.sampled_from([0.1, 0.4, 0.7, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 2, 5, 20, 500]),
    top_p=st.sampled_from([0.05, 0.3, 0.9, 0.999, 1.0]),
)


def probabilities(scores: torch.Tensor, decodings: Sequence[Decoding]) -> torch.Tensor:
    return filtered_probabilities(
        scores,
        temperature=torch.tensor([decoding.temperature for decoding in decodings]),
        top_k=torch.tensor([decoding.top_k for decoding in decodings]),
        top_p=torch.tensor([decoding.top_p for decoding in decodings]),
    )


@given(decodings=st.lists(DECODINGS, min_size=1, max_size=6), seed=st.integers(0, 10_000))
@hypothesis_settings(max_examples=100, deadline=None)
def test_probabilities_are_transformers_row_by_row(decodings: list[Decoding], seed: int) -> None:
    scores = 3.0 * torch.randn(len(decodings), 30, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    ours = probabilities(scores, decodings)
    for row, decoding in enumerate(decodings):
        theirs = warped(scores[row : row + 1], decoding)[0]
        torch.testing.assert_close(ours[row], theirs, atol=1e-6, rtol=0)
        assert torch.equal(ours[row] > 0, theirs > 0)


def test_ties_at_the_kth_place_are_all_kept() -> None:
    scores = torch.tensor([[2.0, 1.0, 1.0, 0.0]])
    kept = probabilities(scores, [Decoding(temperature=1.0, top_k=2)])
    assert (kept > 0).tolist() == [[True, True, True, False]]


def sampling(draws: Sequence[Draw], scores: torch.Tensor) -> list[int]:
    """The token chosen in each row at the first step."""
    output = InverseCdfSampling(draws, 1)(torch.zeros(len(draws), 1, dtype=torch.long), scores)
    assert (output.isfinite().sum(dim=1) == 1).all()
    return output.argmax(dim=1).tolist()


def many_draws(decoding: Decoding, num: int) -> list[Draw]:
    return [
        Draw(candidate_id=str(i), round=0, procedure="p", decoding=decoding, seed=stable_hash("draw", i))
        for i in range(num)
    ]


@pytest.mark.parametrize(
    ("decoding", "support", "critical"),
    [
        (Decoding(temperature=1.0, max_new_tokens=1), 8, 24.32),
        (Decoding(temperature=0.5, max_new_tokens=1), 8, 24.32),
        (Decoding(temperature=1.0, top_k=4, max_new_tokens=1), 4, 16.27),
        (Decoding(temperature=1.0, top_p=0.7, max_new_tokens=1), 4, 16.27),
    ],
    ids=str,
)
def test_draws_follow_the_distribution(decoding: Decoding, support: int, critical: float) -> None:
    """Pearson's statistic stays below the 99.9% point of chi-square with ``support - 1`` degrees of freedom."""
    logits = torch.tensor([0.3, -0.5, 1.1, 0.0, 0.9, -0.2, 0.6, 0.8])
    num = 6000
    tokens = torch.tensor(sampling(many_draws(decoding, num), logits.repeat(num, 1)))
    counts = tokens.bincount(minlength=8).double()
    expected = warped(logits.double().unsqueeze(0), decoding)[0] * num
    kept = expected > 0
    assert int(kept.sum()) == support
    assert counts[~kept].sum() == 0
    assert ((counts - expected)[kept] ** 2 / expected[kept]).sum() < critical


@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2.0**-53])
def test_the_ends_of_the_unit_interval_never_give_a_filtered_token(
    uniform: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "reset_pl.sampling.hf.uniforms", lambda seed, steps: torch.full((steps,), uniform, dtype=torch.float64)
    )
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(300, 50, generator=generator)
    scores[:, :3] = scores[:, -3:] = -9.0  # the first and the last are never among the kept
    draws = many_draws(Decoding(temperature=0.7, top_k=5, max_new_tokens=1), 300)
    allowed = probabilities(scores, [draw.decoding for draw in draws]) > 0
    tokens = sampling(draws, scores)
    assert all(allowed[row, token] for row, token in enumerate(tokens))
    ends = [int(row.nonzero()[0 if uniform == 0.0 else -1]) for row in allowed]
    assert tokens == ends


def test_a_stream_does_not_depend_on_its_length() -> None:
    long = uniforms(123, 500)
    for steps in (1, 7, 16, 17, 499):
        assert torch.equal(uniforms(123, steps), long[:steps])
    assert long.dtype is torch.float64
    assert 0 <= long.min() <= long.max() < 1
    assert not torch.equal(long, uniforms(124, 500))
