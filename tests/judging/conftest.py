from collections.abc import Callable

import pytest

from reset_pl.records import Candidate, Decoding, Example, Objective

Make = Callable[..., tuple[Example, Candidate]]


@pytest.fixture
def make_pair() -> Make:
    """Makes an example of an objective with one candidate; the fields of the example can be given."""

    def make(objective: Objective, text: str, name: str = "1", **fields: object) -> tuple[Example, Candidate]:
        example = Example(
            **{"id": f"d/{name}", "dataset": "d", "objective": objective, "instruction": "Answer.", **fields}  # type: ignore[arg-type]
        )
        candidate = Candidate(
            id=f"0/d/{name}/temperature/0",
            example_id=example.id,
            round=0,
            procedure="temperature",
            decoding=Decoding(temperature=0.1),
            text=text,
            token_ids=(1,),
            finish_reason="stop",
            seed=1,
        )
        return example, candidate

    return make
