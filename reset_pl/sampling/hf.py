"""Sampling in process with transformers' ``generate``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from reset_pl.records import Candidate, Example
from reset_pl.sampling.answers import to_candidate
from reset_pl.sampling.decoding import Draw, Plan, Sampler


class HFSampler(Sampler):
    """Draws candidates from the policy in memory.

    Every candidate owns a stream of uniform numbers derived from its seed, so it does not matter which rank draws it
    or what stands beside it in the batch, as far as the logits themselves do not: padded float32 logits differ by
    about 1e-6 with the batch, so equal candidates need equal chunks.

    Args:
        batch_size: Answers generated together.
    """

    def __init__(self, batch_size: int = 256) -> None:
        self.batch_size = batch_size
        self._policy: Any = None
        self._encoder: Any = None
        self._was_training = False
        self._generation_config: Any = None

    def open(self, policy: Any, encoder: Any) -> None:
        """Take the weights (a transformers model) and the prompt encoder."""
        from transformers import GenerationConfig

        self._policy, self._encoder = policy, encoder
        self._was_training = policy.training
        policy.eval()
        # ``generate`` fills what a call leaves unset from the model's own settings (a repetition penalty, suppressed
        # tokens, a minimum length); here the plan alone says how answers are drawn.
        self._generation_config, policy.generation_config = policy.generation_config, GenerationConfig()

    def close(self) -> None:
        """Let go of the weights and put the model back into its mode, with its own generation settings."""
        self._policy.train(self._was_training)
        self._policy.generation_config = self._generation_config
        self._policy = self._encoder = self._generation_config = None

    def sample(self, examples: Sequence[Example], plan: Plan) -> Iterable[Candidate]:
        """Draw every candidate of the plan, longest prompts last, in a fixed order."""
        rows: list[tuple[list[int], Example, Draw]] = []
        for example in examples:
            draws = plan.draws(example)
            prompt = self._encoder.prompt_ids(example, max(draw.decoding.max_new_tokens for draw in draws))
            rows.extend((prompt, example, draw) for draw in draws)
        rows.sort(key=lambda row: (len(row[0]), row[1].id))
        for start in range(0, len(rows), self.batch_size):
            yield from self._generate(rows[start : start + self.batch_size])

    @torch.inference_mode()
    def _generate(self, rows: Sequence[tuple[list[int], Example, Draw]]) -> list[Candidate]:
        from transformers import GenerationConfig, LogitsProcessorList

        tokenizer = self._encoder.tokenizer
        draws = [draw for _, _, draw in rows]
        input_ids, attention_mask = _pad_left([prompt for prompt, _, _ in rows], tokenizer.pad_token_id)
        device = self._policy.device
        # ``generate`` runs its greedy loop and the processor draws: it leaves one token standing in each row.
        output = self._policy.generate(
            input_ids=input_ids.to(device),
            attention_mask=attention_mask.to(device),
            logits_processor=LogitsProcessorList([InverseCdfSampling(draws, input_ids.shape[1])]),
            generation_config=GenerationConfig(
                do_sample=False,
                max_new_tokens=max(draw.decoding.max_new_tokens for draw in draws),
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            ),
        )
        answers = output[:, input_ids.shape[1] :].tolist()
        return [
            to_candidate(example, draw, answer, tokenizer)
            for (_, example, draw), answer in zip(rows, answers, strict=True)
        ]


def _pad_left(prompts: Sequence[list[int]], pad_token_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts of unlike length as ``input_ids`` and ``attention_mask``, both (rows, tokens)."""
    width = max(map(len, prompts))
    input_ids = torch.tensor([[pad_token_id] * (width - len(prompt)) + prompt for prompt in prompts])
    attention_mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return input_ids, attention_mask


class InverseCdfSampling:
    """A logits processor that draws each row's next token by its own decoding and its own stream of uniforms.

    The token drawn keeps its logit and all others become minus infinity, so that a greedy loop takes it. The draw is
    by inversion: the first token at which the cumulative probability exceeds the row's uniform for this step.

    Args:
        draws: One a row.
        prompt_length: Width of the padded prompts, in tokens.
    """

    def __init__(self, draws: Sequence[Draw], prompt_length: int) -> None:
        self.prompt_length = prompt_length
        self.temperature = torch.tensor([draw.decoding.temperature for draw in draws])
        self.top_k = torch.tensor([draw.decoding.top_k for draw in draws])
        self.top_p = torch.tensor([draw.decoding.top_p for draw in draws])
        steps = max(draw.decoding.max_new_tokens for draw in draws)
        self.uniforms = torch.stack([uniforms(draw.seed, steps) for draw in draws])

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores with one finite entry a row; both (rows, vocabulary)."""
        chosen = scores.argmax(dim=-1)
        sampled = self.temperature > 0
        if sampled.any():
            rows = sampled.nonzero().squeeze(1).to(scores.device)
            step = input_ids.shape[1] - self.prompt_length
            chosen[rows] = self._draw(scores[rows], sampled, self.uniforms[sampled, step].to(scores.device))
        return torch.full_like(scores, float("-inf")).scatter(1, chosen.unsqueeze(1), 0.0)

    def _draw(self, scores: torch.Tensor, sampled: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        device = scores.device
        probabilities = filtered_probabilities(
            scores,
            temperature=self.temperature[sampled].to(device),
            top_k=self.top_k[sampled].to(device),
            top_p=self.top_p[sampled].to(device),
        )
        cumulative = probabilities.cumsum(dim=-1)
        # Scaling by the total keeps rounding in the sum from letting a uniform near 1 fall behind the last token.
        threshold = uniform.unsqueeze(1) * cumulative[:, -1:]
        return torch.searchsorted(cumulative, threshold, right=True).squeeze(1).clamp(max=scores.shape[1] - 1)


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
