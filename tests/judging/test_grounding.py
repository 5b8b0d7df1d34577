from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.judging.evidence import parse_supports
from reset_pl.judging.grounding import SpanCoverageJudge, SummacJudge, grounding_document
from reset_pl.metrics.nli import NliClassifier
from reset_pl.metrics.summac import Granularity, SummacZS, Support, split_chunks
from reset_pl.records import Aspect, Candidate, Example, Objective, Status
from tests.metrics.conftest import save_tiny_nli

Make = Callable[..., tuple[Example, Candidate]]


class ScriptedScorer:
    """Scores an answer by the number in it, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, str]]] = []

    def supports(self, pairs: Sequence[tuple[str, str]]) -> list[list[Support]]:
        self.calls.append(list(pairs))
        return [[Support(premise=2, entailment=float(answer), refuter=None, contradiction=0.0)] for _, answer in pairs]


@pytest.fixture
def scorer() -> ScriptedScorer:
    return ScriptedScorer()


@pytest.fixture
def judge(scorer: ScriptedScorer) -> SummacJudge:
    judge = SummacJudge("some/nli", group_size=4)
    judge.summac = scorer  # type: ignore[assignment]
    return judge


def summaries(make_pair: Make, texts: Sequence[str]) -> list[tuple[Example, Candidate]]:
    return [make_pair(Objective.SUMMARIZATION, text, name=str(i), passages=("p",)) for i, text in enumerate(texts)]


def test_span_coverage_judge(make_pair: Make) -> None:
    passages = ("The mill stood there.", "Ada ran.")
    pairs = [
        make_pair(Objective.EXTRACTIVE_QA, "mill", passages=passages),
        make_pair(Objective.EXTRACTIVE_QA, "there Ada", passages=passages),
        make_pair(Objective.ABSTRACTIVE_QA, "mill", passages=passages),
        make_pair(Objective.EXTRACTIVE_QA, "mill", passages=()),
    ]
    verdicts = list(SpanCoverageJudge().judge(pairs))
    assert [(verdict.status, verdict.score) for verdict in verdicts] == [
        (Status.SCORED, 1.0),
        (Status.SCORED, 0.0),
        (Status.FAILED, None),
    ]
    assert {verdict.aspect for verdict in verdicts} == {Aspect.FAITHFULNESS}
    assert [verdict.detail for verdict in verdicts[:2]] == ["p1 4-8", ""]


def test_the_question_is_a_sentence_before_the_context(make_pair: Make) -> None:
    fields = {"question": "who built the mill", "passages": ("One.", "Two.")}
    question = make_pair(Objective.ABSTRACTIVE_QA, "", **fields)[0]
    summary = make_pair(Objective.SUMMARIZATION, "", **fields)[0]
    assert grounding_document(question) == "who built the mill\nOne.\nTwo."
    assert grounding_document(summary) == "One.\nTwo."


def test_scores_are_clipped_and_raw_is_not(make_pair: Make, judge: SummacJudge) -> None:
    verdicts = list(judge.judge(summaries(make_pair, ["0.7", "-0.4"])))
    assert [(verdict.score, verdict.raw) for verdict in verdicts] == [(0.7, 0.7), (0.0, -0.4)]
    assert verdicts[0].detail == "s1 d3 .70"


@pytest.mark.parametrize("granularity", ["sentence", "paragraph"])
def test_each_sentence_has_its_evidence_and_the_score_is_their_mean(
    make_pair: Make, tmp_path: Path, granularity: Granularity
) -> None:
    """The number of the sentence said to support best is that of the highest entailment, asked pair by pair."""
    folder = save_tiny_nli(tmp_path / "nli", {0: "neutral", 1: "contradiction", 2: "entailment"}, 0, 32)
    passages = ("River flows north a b. A mill stood there.\nSouth c d e f river.",)
    answer = "A mill stood north. South f f river e."
    (verdict,) = SummacJudge(folder, answer_granularity=granularity).judge(
        [make_pair(Objective.ABSTRACTIVE_QA, answer, passages=passages, question="where stood the mill")]
    )
    document = ["where stood the mill", "River flows north a b.", "A mill stood there.", "South c d e f river."]
    parsed = parse_supports(verdict.detail)
    assert parsed is not None
    supports, *cut = parsed
    assert cut == ["sentence", granularity]
    chunks = split_chunks(answer, granularity)
    assert len(supports) == len(chunks) == (2 if granularity == "sentence" else 1)
    nli = NliClassifier(folder)
    for chunk, support in zip(chunks, supports, strict=True):
        asked = [nli.classify([(premise, chunk)])[premise, chunk] for premise in document]
        assert support.premise == max(range(4), key=lambda i: asked[i][0])
        assert support.refuter == max(range(4), key=lambda i: asked[i][1])
        assert support.entailment == pytest.approx(max(entailed for entailed, _ in asked), abs=0.0051)
        assert support.contradiction == pytest.approx(max(refuted for _, refuted in asked), abs=0.0051)
    assert verdict.raw == pytest.approx(sum(support.margin for support in supports) / len(supports), abs=0.0101)
    assert verdict.raw == SummacZS(folder, answer_granularity=granularity).score([("\n".join(document), answer)])[0]


def test_pairs_are_grouped_across_skipped_ones(make_pair: Make, judge: SummacJudge, scorer: ScriptedScorer) -> None:
    pairs = summaries(make_pair, ["0.1", "0.2", "0.3", "0.4", "0.5"])
    pairs[1:1] = [make_pair(Objective.INSTRUCTION, "x"), make_pair(Objective.EXTRACTIVE_QA, "x")]
    assert [verdict.score for verdict in judge.judge(pairs)] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert [len(call) for call in scorer.calls] == [4, 1]


@pytest.mark.parametrize("bad", ["no number", "nan", "1.5"])
def test_one_bad_candidate_fails_alone(make_pair: Make, judge: SummacJudge, bad: str) -> None:
    verdicts = list(judge.judge(summaries(make_pair, ["0.1", "0.2", bad, "0.4", "0.5"])))
    assert [verdict.score for verdict in verdicts] == [0.1, 0.2, None, 0.4, 0.5]
    assert verdicts[2].status is Status.FAILED
    assert verdicts[2].detail.startswith("ValueError")


def test_no_passages_is_a_failure(make_pair: Make, judge: SummacJudge) -> None:
    pairs = [*summaries(make_pair, ["0.1"]), make_pair(Objective.SUMMARIZATION, "0.9", passages=(" ",))]
    assert [verdict.status for verdict in judge.judge(pairs)] == [Status.SCORED, Status.FAILED]


def test_a_missing_model_stops(make_pair: Make, tmp_path: object) -> None:
    judge = SummacJudge(f"{tmp_path}/nowhere")
    pair = make_pair(Objective.SUMMARIZATION, "A mill stood there.", passages=("The river flows north.",))
    with pytest.raises(InputError, match="nowhere"):
        list(judge.judge([pair]))


DECLINE = "The passages do not answer the question."


@pytest.mark.parametrize("answerable", [True, False])
def test_a_decline_is_no_span_and_no_failure(make_pair: Make, answerable: bool) -> None:
    fields = {"passages": (f"He wrote: {DECLINE} No answer.",), "answerable": answerable}
    texts = ("No answer", DECLINE, "He wrote", "Ada")  # the first three are spans
    verdicts = list(SpanCoverageJudge().judge([make_pair(Objective.EXTRACTIVE_QA, text, **fields) for text in texts]))
    assert [(verdict.status, verdict.score) for verdict in verdicts] == [
        (Status.DECLINED, None),
        (Status.DECLINED, None),
        (Status.SCORED, 1.0),
        (Status.SCORED, 0.0),
    ]


def test_a_decline_needs_no_passage(make_pair: Make, judge: SummacJudge) -> None:
    for grounding, objective in ((SpanCoverageJudge(), "extractive_qa"), (judge, "abstractive_qa")):
        (verdict,) = grounding.judge([make_pair(Objective(objective), DECLINE)])
        assert (verdict.status, verdict.score) == (Status.DECLINED, None)


def test_summac_reads_no_decline_but_a_summary(make_pair: Make, judge: SummacJudge, scorer: ScriptedScorer) -> None:
    fields = {"question": "Who?", "passages": ("p",)}
    texts = ["0.1", DECLINE, "0.3"]
    pairs = [make_pair(Objective.ABSTRACTIVE_QA, text, name=str(i), **fields) for i, text in enumerate(texts)]
    verdicts = {verdict.candidate_id.split("/")[2]: verdict for verdict in judge.judge(pairs)}
    assert {name: verdict.score for name, verdict in verdicts.items()} == {"0": 0.1, "1": None, "2": 0.3}
    assert verdicts["1"].status is Status.DECLINED
    assert scorer.calls == [[("Who?\np", "0.1"), ("Who?\np", "0.3")]]
    (summary,) = judge.judge(summaries(make_pair, [DECLINE]))
    assert summary.status is Status.FAILED  # it was sent to the scorer, which reads numbers only


def test_the_version_tells_model_and_rule_apart() -> None:
    judges = [
        SummacJudge("a"),
        SummacJudge("b"),
        SummacJudge("a", use_contradiction=False),
        SummacJudge("a", document_granularity="paragraph"),
        SummacJudge("a", answer_granularity="paragraph"),
        SummacJudge("a", dtype="float16"),
    ]
    assert len({judge.version for judge in judges}) == len(judges)
    assert judges[0].version == "2 a"


def test_the_scorer_gets_the_settings() -> None:
    judge = SummacJudge("a", 7, False, document_granularity="2sents", answer_granularity="mixed", dtype="bfloat16")
    scorer = judge.summac
    assert (scorer.nli.model, scorer.nli.batch_tokens, scorer.nli.dtype) == ("a", 7, "bfloat16")
    assert (scorer.document_granularity, scorer.answer_granularity) == ("2sents", "mixed")
    assert not scorer.use_contradiction


def test_group_size_must_be_positive() -> None:
    with pytest.raises(InputError, match="group_size"):
        SummacJudge("a", group_size=0)


@pytest.mark.parametrize(("granularity", "calls"), [("sentence", 3 * 2), ("document", 1 * 2)])
def test_forecast_counts_the_pairs_that_are_classified(make_pair: Make, granularity: str, calls: int) -> None:
    judge = SummacJudge("some/nli", document_granularity=granularity)  # type: ignore[arg-type]
    passages = ("The mill stood there. It burnt down.",)
    answer = "A mill burnt down. Nobody was hurt."
    pair = make_pair(Objective.ABSTRACTIVE_QA, answer, passages=passages, question="What burnt down?")
    others = [
        make_pair(Objective.EXTRACTIVE_QA, answer, passages=passages),
        make_pair(Objective.SUMMARIZATION, answer, passages=()),
    ]
    forecast = judge.forecast([pair, *others], times=14)
    assert (forecast.calls, forecast.unit, forecast.dollars) == (14 * calls, "sentence pairs", 0.0)
