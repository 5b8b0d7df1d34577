from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.koala_eval import KoalaEval
from reset_pl.records import Example, Objective


def test_prompts_without_responses(put, mirror) -> None:
    put("arnav-gudibande/koala-test-set/koala_test_set.jsonl", [{"id": "koala_1", "prompt": "Name a bird.\n"}])
    assert KoalaEval(data_dir=str(mirror)).load() == [
        Example(
            id="koala_eval/koala_1", dataset="koala_eval", objective=Objective.INSTRUCTION, instruction="Name a bird."
        )
    ]
    assert KoalaEval().convert({"id": "koala_2", "prompt": " "}) == Dropped("empty_instruction")
