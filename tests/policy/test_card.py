from pathlib import Path

import yaml

from reset_pl.policy.card import model_card

CONFIG = {
    "seed_everything": 3,
    "trainer": {
        "callbacks": [
            {"class_path": "callbacks.StageCheckpoint"},
            {
                "class_path": "callbacks.ResetRounds",
                "init_args": {
                    "rounds": 2,
                    "judges": [{"class_path": "reset_pl.judging.llm.LLMJudge", "init_args": {"api_key_env": "SECRET"}}],
                },
            },
        ]
    },
    "model": {"class_path": "MTL", "init_args": {"model": "org/base", "lr": 1e-5, "lora": {"rank": 8}}},
    "data": {"train": [{"class_path": "MiniSource", "init_args": {"dataset": "mini_nq"}}], "template": "vicuna"},
}


def header(card: str) -> dict[str, str]:
    return yaml.safe_load(card.split("---")[1])


def test_what_made_the_model_and_how_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    card = model_card(tmp_path, base="org/base", stage="round-000")
    assert header(card) == {
        "base_model": "org/base",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
    }
    assert "| base model | `org/base` |" in card
    assert "| stage | `round-000` |" in card
    assert "commit " in card
    assert "| command | `python -m reset_pl" in card
    assert "AutoModelForCausalLM.from_pretrained" in card
    settings = yaml.safe_load(card.split("```yaml")[1].split("```")[0])
    assert settings["model"]["init_args"]["lora"] == {"rank": 8}
    assert settings["data"]["train"] == [{"MiniSource": "mini_nq"}]
    assert settings["rounds"] == [
        {"judges": ["LLMJudge"], "rounds": 2, "prompts_per_dataset": None, "plan": None, "selector": None}
    ]
    assert settings["seed"] == 3
    assert "SECRET" not in card


def test_a_local_base_and_adapters(tmp_path: Path) -> None:
    """The hub refuses a header that names a folder."""
    card = model_card(tmp_path, base=str(tmp_path), stage="mtl", adapters=True)
    assert header(card) == {"library_name": "peft", "pipeline_tag": "text-generation"}
    assert f"| base model | `{tmp_path}` |" in card
    assert "AutoPeftModelForCausalLM" in card
    assert "## Settings" not in card  # no config.yaml: a fit without the command line
