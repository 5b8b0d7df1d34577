"""A plain training loop for the miniature models: weighted cross-entropy, AdamW, warm-up and cosine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerBase

from reset_pl.mini.texts import Pieces, TextMaker

Batch = dict[str, Tensor]
_POOL_BATCHES = 20
_REPEATED = 0.5


def encode_pieces(tokenizer: PreTrainedTokenizerBase, pieces: Pieces) -> tuple[list[int], list[float]]:
    """Token ids and their weights in the loss, with the beginning-of-sequence token in front.

    A pair of tokens that stood in the text before can be told from there: its second token counts half at least, which
    is what makes a model learn to copy names.
    """
    ids, weights = [tokenizer.bos_token_id], [0.0]
    seen: set[tuple[int, int]] = set()
    for text, weight in pieces:
        for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
            pair = (ids[-1], token)
            weights.append(max(weight, _REPEATED) if weight and pair in seen else weight)
            ids.append(token)
            seen.add(pair)
    return ids, weights


def collate(rows: list[tuple[list[int], list[float]]], pad: int) -> Batch:
    """Pad on the right; padding weighs nothing."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in rows])
    weights = torch.tensor([weights + [0.0] * (width - len(weights)) for _, weights in rows])
    return {"input_ids": ids, "weights": weights}


def text_batches(
    make: TextMaker, tokenizer: PreTrainedTokenizerBase, steps: int, batch_size: int, seed: int
) -> Iterator[Batch]:
    """Fresh batches, each of texts of like length."""
    rng = random.Random(f"{make.__name__}/{seed}")
    for start in range(0, steps, _POOL_BATCHES):
        count = min(_POOL_BATCHES, steps - start)
        rows = [encode_pieces(tokenizer, make(rng, start / steps)) for _ in range(count * batch_size)]
        rows.sort(key=lambda row: len(row[0]))
        order = list(range(count))
        rng.shuffle(order)
        for n in order:
            yield collate(rows[n * batch_size : (n + 1) * batch_size], tokenizer.pad_token_id)


def causal_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Weighted mean cross-entropy of the next token."""
    logits = model(input_ids=batch["input_ids"]).logits[:, :-1]  # (B, T-1, V)
    targets, weights = batch["input_ids"][:, 1:], batch["weights"][:, 1:]
    losses = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


def train(
    name: str,
    model: nn.Module,
    batches: Iterator[Batch],
    loss_of: Callable[[nn.Module, Batch], Tensor],
    steps: int,
    lr: float,
    say: Callable[[str], None] = print,
) -> float:
    """Train for a number of steps and return the mean loss of the last tenth."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.05, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=lr, total_steps=steps + 1, pct_start=0.05, cycle_momentum=False
    )
    model.train()
    losses: list[float] = []
    began = time.monotonic()
    for step, batch in enumerate(batches, 1):
        loss = loss_of(model, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step % max(1, steps // 20) == 0:
            recent = losses[-max(1, steps // 20) :]
            seconds = time.monotonic() - began
            say(f"{name}: step {step}/{steps}, loss {sum(recent) / len(recent):.3f}, {seconds:.0f} s")
    model.eval()
    tail = losses[-max(1, steps // 10) :]
    return sum(tail) / len(tail)
