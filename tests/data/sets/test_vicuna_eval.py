from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.vicuna_eval import VicunaEval
from reset_pl.records import Example, Objective

FILE = "lm-sys/FastChat/fastchat/llm_judge/data/vicuna_bench/question.jsonl"


def test_prompts_without_responses(put, mirror) -> None:
    put(FILE, [{"question_id": 7, "category": "generic", "turns": ["Name a bird. ", "And another?"]}])
    assert VicunaEval(data_dir=str(mirror)).load() == [
        Example(id="vicuna_eval/7", dataset="vicuna_eval", objective=Objective.INSTRUCTION, instruction="Name a bird.")
    ]
    assert VicunaEval().split == "test"


def test_empty_prompts() -> None:
    for turns in ([], None, [" "]):
        assert VicunaEval().convert({"question_id": 1, "turns": turns}) == Dropped("empty_instruction")


def test_real_questions(put, mirror, real) -> None:
    put(FILE, real("vicuna_eval/question.jsonl"))
    examples = VicunaEval(data_dir=str(mirror)).load()
    assert [example.id for example in examples] == [f"vicuna_eval/{number}" for number in range(1, 81)]
    assert examples[0].instruction == "How can I improve my time management skills?"
