"""A row's probabilities by transformers' own warpers."""

import torch
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from reset_pl.records import Decoding


def warped(scores: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Probabilities of one row as ``generate`` with ``do_sample`` has them."""
    scores = TemperatureLogitsWarper(decoding.temperature)(None, scores)
    if decoding.top_k:
        scores = TopKLogitsWarper(decoding.top_k)(None, scores)
    if decoding.top_p < 1:
        scores = TopPLogitsWarper(decoding.top_p)(None, scores)
    return scores.softmax(dim=-1)
