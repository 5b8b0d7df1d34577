import json

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from reset_pl.mini.build import main


def test_a_shrunken_build_makes_loadable_models(tmp_path, capsys):
    main(["--out", str(tmp_path), "--scale", "0.002", "--seed", "3"])
    for name, kind in (("base", AutoModelForCausalLM), ("chat", AutoModelForCausalLM)):
        assert kind.from_pretrained(tmp_path / name, dtype=torch.float32).lm_head.weight.dtype == torch.float32
        assert AutoTokenizer.from_pretrained(tmp_path / name)("a")["input_ids"]
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path / "nli").config.num_labels == 3
    record = json.loads((tmp_path / "build.json").read_text())
    assert record["seed"] == 3
    assert set(record["final_loss"]) == {"base", "chat", "reader", "nli"}
    assert "nli: step" in capsys.readouterr().out
