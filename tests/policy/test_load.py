import shutil
from pathlib import Path

import pytest
import torch

from reset_pl import mini
from reset_pl.errors import InputError
from reset_pl.policy.fingerprint import policy_fingerprint
from reset_pl.policy.load import DType, load_policy


def test_equal_weights_have_equal_fingerprints(tiny_model: Path) -> None:
    first, second = (load_policy(str(tiny_model), "float32") for _ in range(2))
    fingerprint = policy_fingerprint(first)
    assert fingerprint == policy_fingerprint(second) == policy_fingerprint(first.eval())
    assert len(fingerprint) == 16
    assert int(fingerprint, 16) >= 0


def test_any_single_weight_changes_the_fingerprint(tiny_model: Path) -> None:
    model = load_policy(str(tiny_model), "float32")
    fingerprints = {policy_fingerprint(model)}
    with torch.no_grad():
        for parameter in model.parameters():
            last = parameter.view(-1)[-1:]
            last.copy_(torch.nextafter(last, torch.full_like(last, 10.0)))
            fingerprints.add(policy_fingerprint(model))
    assert len(fingerprints) == 1 + len(list(model.parameters()))


def test_swapped_parameters_and_scalars_are_told_apart() -> None:
    model = torch.nn.ParameterDict({"a": torch.tensor(1.0), "b": torch.tensor(2.0)})
    swapped = torch.nn.ParameterDict({"b": torch.tensor(1.0), "a": torch.tensor(2.0)})
    other_order = torch.nn.ParameterDict({"b": torch.tensor(2.0), "a": torch.tensor(1.0)})
    assert policy_fingerprint(model) != policy_fingerprint(swapped)
    assert policy_fingerprint(model) == policy_fingerprint(other_order)


def test_memory_layout_does_not_matter() -> None:
    weight = torch.arange(6.0).view(2, 3)
    plain = torch.nn.ParameterList([weight])
    strided = torch.nn.ParameterList([weight.T.contiguous().T])
    assert policy_fingerprint(plain) == policy_fingerprint(strided)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_policy_is_loaded_to_be_trained(tiny_model: Path, dtype: DType) -> None:
    model = load_policy(str(tiny_model), dtype)
    assert model.training
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype)}
    assert policy_fingerprint(model)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"model folder at {tmp_path}, but it has no config.json: mend --model.model"):
        load_policy(str(tmp_path), "float32")


def test_a_model_that_does_not_generate_is_refused() -> None:
    with pytest.raises(InputError, match=r"--ckpt_path '.*nli', but it lacks lm_head.weight \(1 in all\)"):
        load_policy(str(Path(mini.__file__).parent / "models" / "nli"), "float32", option="--ckpt_path")


def test_a_missing_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a model at --model.model '.*nowhere'") as error:
        load_policy(str(tmp_path / "nowhere"), "float32")
    assert "\n" not in str(error.value)


def test_a_model_without_weights_is_refused_in_one_line(tmp_path: Path, tiny_model: Path) -> None:
    shutil.copy(tiny_model / "config.json", tmp_path)
    with pytest.raises(InputError, match="expected a model at --model.model") as error:
        load_policy(str(tmp_path), "float32")
    assert "\n" not in str(error.value)
