"""Whole weights of a model that is whole; of a sharded one in tests/test_zero.py."""

import pytest
import torch

from reset_pl.policy import weights
from reset_pl.policy.weights import full_tensors, gathered


def make_model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2, bias=False))


def test_all_parameters_in_the_order_of_their_names() -> None:
    model = make_model()
    found = dict(full_tensors(model))
    assert list(found) == ["0.bias", "0.weight", "1.weight"]
    assert all(torch.equal(found[name], parameter) for name, parameter in model.named_parameters())
    assert not any(tensor.requires_grad for tensor in found.values())


@pytest.mark.parametrize(("limit", "sizes"), [(10**6, [3]), (160, [2, 1]), (1, [1, 1, 1])])
def test_no_more_than_the_limit_is_made_whole_at_once(
    monkeypatch: pytest.MonkeyPatch, limit: int, sizes: list[int]
) -> None:
    """Parameters of 32, 128 and 64 bytes; one that is larger than the limit comes alone."""
    monkeypatch.setattr(weights, "BUCKET_BYTES", limit)
    buckets = list(weights._buckets(sorted(make_model().named_parameters())))
    assert [len(bucket) for bucket in buckets] == sizes


def test_gathering_what_is_whole_changes_nothing() -> None:
    model = make_model()
    calls: list[int] = []
    next(model.children()).register_forward_hook(lambda *_: calls.append(1))
    with gathered(model):
        model(torch.zeros(1, 4))
    model(torch.zeros(1, 4))
    assert len(calls) == 2
