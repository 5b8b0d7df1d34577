"""Logits → the next token of each answer, by its own decoding and its own stream of uniforms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from reset_pl.sampling.decoding import Draw


class Drawing:
    """Draws the next tokens of some answers, greedily or by inversion.

    By inversion: the first token at which the cumulative probability exceeds the answer's uniform for this step.

    Args:
        draws: One an answer.
        device: Where the logits are.
    """

    def __init__(self, draws: Sequence[Draw], device: torch.device | str = "cpu") -> None:
        decodings = [draw.decoding for draw in draws]
        steps = max(decoding.max_new_tokens for decoding in decodings)
        self.temperature = torch.tensor([decoding.temperature for decoding in decodings], device=device)
        self.top_k = torch.tensor([decoding.top_k for decoding in decodings], device=device)
        self.top_p = torch.tensor([decoding.top_p for decoding in decodings], device=device)
        self.uniforms = torch.stack([uniforms(draw.seed, steps) for draw in draws]).to(device)
        self._group()

    def _group(self) -> None:
        """Answers that are drawn alike: those with top-k need only look at a few tokens."""
        sampled = self.temperature > 0
        self._from_all = (sampled & (self.top_k == 0)).nonzero().squeeze(1)
        self._from_best = (sampled & (self.top_k > 0)).nonzero().squeeze(1)
        self._num_best = int(self.top_k.max())

    def select(self, rows: torch.Tensor) -> None:
        """Keep these answers; indices, (rows,)."""
        self.temperature, self.top_k, self.top_p = self.temperature[rows], self.top_k[rows], self.top_p[rows]
        self.uniforms = self.uniforms[rows]
        self._group()

    def draw(self, logits: torch.Tensor, step: int) -> torch.Tensor:
        """The tokens, (rows,), drawn by each answer's uniform of this step.

        Args:
            logits: (rows, vocabulary).
            step: Tokens that the answers have already.
        """
        tokens = logits.argmax(dim=-1)
        if len(self._from_all):
            tokens[self._from_all] = self._invert(logits[self._from_all], self._from_all, step)
        if len(self._from_best):
            tokens[self._from_best] = self._draw_from_best(logits[self._from_best], step)
        return tokens

    def _draw_from_best(self, logits: torch.Tensor, step: int) -> torch.Tensor:
        """The same as from all tokens, whose probability is 0 beyond the k best and those that tie with the k-th."""
        rows = self._from_best
        width = min(2 * self._num_best, logits.shape[1])
        best = logits.topk(width)
        kth = best.values.gather(1, self.top_k[rows].clamp(max=width).unsqueeze(1) - 1).squeeze(1)
        if width < logits.shape[1] and bool((best.values[:, -1] == kth).any()):
            return self._invert(logits, rows, step)  # there may be more ties than we looked at
        kept = best.indices.sort(dim=1).values  # in the vocabulary's order, which inversion goes by
        place = self._invert(logits.gather(1, kept), rows, step)
        return kept.gather(1, place.unsqueeze(1)).squeeze(1)

    def _invert(self, logits: torch.Tensor, rows: torch.Tensor, step: int) -> torch.Tensor:
        probabilities = filtered_probabilities(
            logits, temperature=self.temperature[rows], top_k=self.top_k[rows], top_p=self.top_p[rows]
        )
        cumulative = probabilities.cumsum(dim=-1)
        # Scaling by the total keeps rounding in the sum from letting a uniform near 1 fall behind the last token.
        threshold = self.uniforms[rows, step].unsqueeze(1) * cumulative[:, -1:]
        return torch.searchsorted(cumulative, threshold, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)


def uniforms(seed: int, steps: int) -> torch.Tensor:
    """A candidate's own stream: (steps,) float64 in [0, 1)."""
    # numpy's generator takes all 63 bits of the seed, torch's on the CPU only 32: streams would repeat.
    return torch.from_numpy(np.random.default_rng(seed).random(steps))


def filtered_probabilities(
    scores: torch.Tensor, *, temperature: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor
) -> torch.Tensor:
    """Softmax of each row at its own temperature, top-k and top-p.

    Args:
        scores: Logits, (rows, vocabulary).
        temperature: Above 0, (rows,).
        top_k: Number of tokens kept, 0 for all, (rows,).
        top_p: Probability mass kept, 1 for all, (rows,).

    Returns:
        (rows, vocabulary) float64; filtered tokens have probability 0. Ties at the k-th place are all kept.
    """
    scaled = scores.double() / temperature.unsqueeze(1)
    if (top_k > 0).any():
        best = scaled.topk(min(int(top_k.max()), scores.shape[1])).values
        kth = best.gather(1, (top_k.clamp(min=1, max=best.shape[1]) - 1).unsqueeze(1))
        scaled = scaled.masked_fill((scaled < kth) & (top_k > 0).unsqueeze(1), float("-inf"))
    if (top_p < 1).any():
        ordered, order = scaled.softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
        outside = (ordered.cumsum(dim=-1) - ordered >= top_p.unsqueeze(1)) & (top_p < 1).unsqueeze(1)
        scaled = scaled.masked_fill(torch.zeros_like(outside).scatter(1, order, outside), float("-inf"))
    return scaled.softmax(dim=-1)
