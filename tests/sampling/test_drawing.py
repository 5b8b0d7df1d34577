"""Draws against transformers' own warpers."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reset_pl.records import Decoding, stable_hash
from reset_pl.sampling.decoding import Draw
from reset_pl.sampling.drawing import Drawing, filtered_probabilities, uniforms
from tests.sampling.warpers import warped

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
    return Drawing(draws).draw(scores, 0).tolist()


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
        "reset_pl.sampling.drawing.uniforms", lambda seed, steps: torch.full((steps,), uniform, dtype=torch.float64)
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


@given(decodings=st.lists(DECODINGS, min_size=1, max_size=8), seed=st.integers(0, 10_000), ties=st.booleans())
@hypothesis_settings(max_examples=100, deadline=None)
def test_looking_at_the_best_tokens_only_draws_the_same(decodings: list[Decoding], seed: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = 2.0 * torch.randn(len(decodings), 400, generator=generator)
    scores = scores.round() if ties else scores
    draws = [many_draws(decoding, 1)[0] for decoding in decodings]
    cumulative = probabilities(scores, decodings).cumsum(dim=1)
    uniform = torch.tensor([uniforms(draw.seed, 1).item() for draw in draws], dtype=torch.float64)
    expected = (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(dim=1)
    assert sampling(draws, scores) == expected.tolist()


def test_rows_that_are_left_keep_their_decoding_and_stream() -> None:
    decodings = [Decoding(temperature=0.0), Decoding(temperature=1.0, top_k=3), Decoding(temperature=0.7)]
    draws = [many_draws(decodings[i % 3], i + 1)[-1] for i in range(30)]
    scores = torch.randn(30, 50, generator=torch.Generator().manual_seed(0))
    drawing, rows = Drawing(draws), torch.tensor([2, 3, 4, 9, 28, 29])
    expected = drawing.draw(scores, 7)[rows]
    drawing.select(rows)
    assert torch.equal(drawing.draw(scores[rows], 7), expected)


def test_a_stream_does_not_depend_on_its_length() -> None:
    long = uniforms(123, 500)
    for steps in (1, 7, 16, 17, 499):
        assert torch.equal(uniforms(123, steps), long[:steps])
    assert long.dtype is torch.float64
    assert 0 <= long.min() <= long.max() < 1
    assert not torch.equal(long, uniforms(124, 500))
