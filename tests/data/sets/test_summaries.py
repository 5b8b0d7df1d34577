import pytest

from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.summaries import summary_example
from reset_pl.records import Example


def test_an_article_and_its_summary() -> None:
    example = summary_example(3, dataset="news", article=" A lamp\nwas lit. ", summary="A lamp .\nIt was lit .")
    assert isinstance(example, Example)
    assert (example.id, example.objective, example.question) == ("news/3", "summarization", None)
    assert example.passages == ("A lamp\nwas lit.",)
    assert (example.response, example.references) == ("A lamp . It was lit .", ("A lamp . It was lit .",))
    assert example.instruction.startswith("Summarize the text in a few sentences.")


@pytest.mark.parametrize(
    ("article", "summary", "reason"),
    [("  ", "s", "no_article"), (None, "s", "no_article"), ("a", "\n", "no_summary"), ("a", None, "no_summary")],
)
def test_empty_ones_are_dropped(article: str | None, summary: str | None, reason: str) -> None:
    assert summary_example(3, dataset="news", article=article, summary=summary) == Dropped(reason)
