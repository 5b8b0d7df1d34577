import math

import pytest
import torch
from torch.optim import SGD
from transformers import get_cosine_schedule_with_warmup

from reset_pl.tuning.schedule import StageSchedule, cosine_with_warmup


def make(warmup_ratio: float = 0.1) -> tuple[SGD, StageSchedule]:
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = SGD([{"params": [weight]} for weight in weights], lr=123.0)
    return optimizer, StageSchedule(optimizer, warmup_ratio)


def take(optimizer: SGD, schedule: StageSchedule, num_steps: int) -> list[float]:
    """The rates at which the next steps are taken."""
    rates = []
    for _ in range(num_steps):
        assert {group["lr"] for group in optimizer.param_groups} == {schedule.get_last_lr()[0]}
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def reference(num_steps: int, num_warmup: int, lr: float) -> list[float]:
    """The rates of transformers' own schedule."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedule = get_cosine_schedule_with_warmup(optimizer, num_warmup, num_steps)
    rates = []
    for _ in range(num_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize(("num_steps", "ratio"), [(1, 0.03), (2, 0.03), (40, 0.0), (40, 0.1), (100, 0.03), (7, 1.0)])
def test_a_stage_is_transformers_schedule(num_steps: int, ratio: float) -> None:
    optimizer, schedule = make(ratio)
    schedule.begin("mtl", num_steps=num_steps, lr=2e-3)
    expected = reference(num_steps, math.ceil(num_steps * ratio), 2e-3)
    assert take(optimizer, schedule, num_steps) == pytest.approx(expected, abs=1e-12)


def test_every_stage_starts_afresh_at_its_own_rate() -> None:
    optimizer, schedule = make(0.1)
    schedule.begin("mtl", num_steps=20, lr=1.0)
    take(optimizer, schedule, 13)  # left early: the next stage must not care
    schedule.begin("round-000", num_steps=30, lr=0.5)
    assert take(optimizer, schedule, 30) == pytest.approx(reference(30, 3, 0.5), abs=1e-12)
    schedule.begin("round-001", num_steps=10, lr=0.25)
    assert take(optimizer, schedule, 10) == pytest.approx(reference(10, 1, 0.25), abs=1e-12)


def test_nothing_moves_before_the_first_stage_nor_after_the_last() -> None:
    optimizer, schedule = make()
    assert take(optimizer, schedule, 2) == [0.0, 0.0]
    assert not schedule.finished
    schedule.begin("mtl", num_steps=5, lr=1.0)
    assert not schedule.finished
    take(optimizer, schedule, 4)
    assert not schedule.finished
    take(optimizer, schedule, 1)
    assert schedule.finished
    assert take(optimizer, schedule, 3) == pytest.approx([0.0] * 3, abs=1e-15)


@pytest.mark.parametrize("taken", [0, 3, 11])
def test_a_restart_goes_on_where_it_was(taken: int) -> None:
    optimizer, schedule = make(0.1)
    schedule.begin("mtl", num_steps=5, lr=1.0)
    take(optimizer, schedule, 5)
    schedule.begin("round-000", num_steps=20, lr=0.5)
    take(optimizer, schedule, taken)
    states = optimizer.state_dict(), schedule.state_dict()

    restarted_optimizer, restarted = make(0.1)
    restarted_optimizer.load_state_dict(states[0])
    restarted.load_state_dict(states[1])
    assert (restarted.stage, restarted.first_step, restarted.num_steps) == ("round-000", 5, 20)
    assert take(restarted_optimizer, restarted, 20 - taken) == pytest.approx(reference(20, 2, 0.5)[taken:], abs=1e-12)
    assert restarted.finished


def test_a_running_stage_can_be_given_another_rate_and_warm_up() -> None:
    optimizer, schedule = make(0.1)
    schedule.begin("mtl", num_steps=20, lr=1.0)
    take(optimizer, schedule, 6)
    schedule.retune(lr=0.1, warmup_ratio=0.5)
    assert schedule.get_last_lr() == pytest.approx([0.06, 0.06])
    assert take(optimizer, schedule, 14) == pytest.approx(reference(20, 10, 0.1)[6:], abs=1e-12)
    assert schedule.stage == "mtl"


def test_the_factor_never_leaves_0_and_1() -> None:
    for num_steps in (0, 1, 3, 50):
        for step in range(2 * num_steps + 2):
            assert 0.0 <= cosine_with_warmup(step, num_steps=num_steps, warmup_ratio=0.03) <= 1.0
