"""The judge over a chat client that answers by a script, and over HTTP."""

import pickle
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reset_pl.errors import InputError
from reset_pl.judging import llm
from reset_pl.judging.client import NoReply, Reply
from reset_pl.judging.llm import LLMJudge
from reset_pl.judging.rating import grading_messages
from reset_pl.judging.remote import RemoteJudge
from reset_pl.records import Aspect, Candidate, Example, Objective, Status, Verdict
from tests.judging.attacks import ATTACKS
from tests.judging.misbehaving_server import MisbehavingServer

Make = Callable[..., tuple[Example, Candidate]]
Script = Callable[[str], str]


class ScriptedClient:
    """Answers by a function of the user's message; a string without a rating is no reply, as with the real client."""

    def __init__(self, model: str, concurrency: int = 4, budget: float | None = None) -> None:
        self.model, self.concurrency, self.budget, self.allow_model_change = model, concurrency, budget, False
        self.script: Script = lambda _: "Fine. Rating: [[7]]"
        self.asked: list[str] = []
        self.futures: list[Future[Reply]] = []
        self.open = self.most_open = 0
        self.held = threading.Event()
        self.held.set()
        self.shares: list[tuple[int, float]] = []
        self._pool = ThreadPoolExecutor(concurrency)
        self._lock = threading.Lock()

    def submit(self, messages: Sequence[dict[str, str]], *, max_tokens: int, accept: Callable[[str], object]) -> Any:
        with self._lock:
            self.asked.append(messages[1]["content"])
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        future = self._pool.submit(self._answer, messages[1]["content"], accept)
        self.futures.append(future)
        future.add_done_callback(self._close_one)
        return future

    def _close_one(self, _: object) -> None:
        with self._lock:
            self.open -= 1

    def _answer(self, user: str, accept: Callable[[str], object]) -> Reply:
        self.held.wait(5)
        text = self.script(user)
        try:
            accept(text)
        except ValueError as error:
            raise NoReply(str(error), cost=0.02) from error
        return Reply(text=text, model=f"{self.model}-0613", prompt_tokens=10, completion_tokens=2, cost=0.01)

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens + 2 * completion_tokens) / 1e6

    def share(self, world_size: int, spent: float = 0.0) -> None:
        self.shares.append((world_size, spent))

    def note(self) -> str:
        return f"{len(self.asked)} requests"

    def close(self) -> None:
        self._pool.shutdown()


@pytest.fixture
def make_judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LLMJudge]]:
    """Makes a judge that asks a scripted client and, if nothing else is said, keeps nothing."""
    monkeypatch.setattr(llm, "ChatClient", ScriptedClient)
    judges = []

    def make(script: Script | None = None, **settings: Any) -> LLMJudge:
        judges.append(LLMJudge("m", **{"cache_dir": None, **settings}))
        if script is not None:
            judges[-1].client.script = script  # type: ignore[attr-defined]
        return judges[-1]

    yield make
    for judge in judges:
        judge.close()


def make_pairs(make_pair: Make, texts: Sequence[str], **fields: object) -> list[tuple[Example, Candidate]]:
    return [make_pair(Objective.INSTRUCTION, text, name=str(i), **fields) for i, text in enumerate(texts)]


def by_candidate(verdicts: "Iterator[Verdict] | list[Verdict]") -> list[Verdict]:
    return sorted(verdicts, key=lambda verdict: int(verdict.candidate_id.split("/")[2]))


# ---------------------------------------------------------------------- verdicts


def test_a_rating_is_a_verdict(make_judge: Any, make_pair: Make) -> None:
    judge = make_judge()
    (verdict,) = judge.judge(make_pairs(make_pair, ["Hello."], instruction="Greet me."))
    assert (verdict.status, verdict.aspect, verdict.score, verdict.raw) == (
        Status.SCORED,
        Aspect.INSTRUCTION,
        pytest.approx(0.7),
        7.0,
    )
    assert (verdict.detail, verdict.model, verdict.cost) == ("Fine. Rating: [[7]]", "m-0613", 0.01)
    assert (verdict.judge, verdict.version) == ("llm", judge.version)
    assert judge.client.asked == [grading_messages("Greet me.", "Hello.")[1]["content"]]


@pytest.mark.parametrize(
    ("scale", "rating", "score"),
    [("tenths", "1", 0.1), ("tenths", "10", 1.0), ("unit", "1", 0.0), ("unit", "5.5", 0.5), ("unit", "10", 1.0)],
)
def test_scales(make_judge: Any, make_pair: Make, scale: str, rating: str, score: float) -> None:
    judge = make_judge(lambda _: f"[[{rating}]]", rating_scale=scale)
    (verdict,) = judge.judge(make_pairs(make_pair, ["x"]))
    assert verdict.score == pytest.approx(score)


def test_what_is_not_answered_fails_and_the_rest_goes_on(make_judge: Any, make_pair: Make) -> None:
    judge = make_judge(lambda user: "I will not." if "bad" in user else "[[4]]")
    verdicts = by_candidate(judge.judge(make_pairs(make_pair, ["good", "bad", "good too"])))
    assert [v.status for v in verdicts] == [Status.SCORED, Status.FAILED, Status.SCORED]
    assert verdicts[1].detail == "expected a rating, [[1]] to [[10]], but the reply ends with 'I will not.'"
    assert (verdicts[1].score, verdicts[1].cost, verdicts[1].model) == (None, 0.02, "")


def test_an_error_for_all_ends_the_judging(make_judge: Any, make_pair: Make) -> None:
    def script(user: str) -> str:
        raise InputError("no key")

    judge = make_judge(script)
    with pytest.raises(InputError, match="no key"):
        list(judge.judge(make_pairs(make_pair, [f"a{i}" for i in range(50)])))
    judge.client.script = lambda _: "[[3]]"
    assert len(list(judge.judge(make_pairs(make_pair, [f"a{i}" for i in range(50)])))) == 50


def test_only_instructions_are_judged(make_judge: Any, make_pair: Make) -> None:
    pairs = [make_pair(objective, "x", name=objective, passages=("p",)) for objective in Objective]
    assert [v.candidate_id.split("/")[2] for v in make_judge().judge(pairs)] == ["instruction"]


def test_the_input_of_an_instruction_is_shown(make_judge: Any, make_pair: Make) -> None:
    judge = make_judge()
    list(judge.judge(make_pairs(make_pair, ["x"], instruction="Sort.", question="Which?", passages=("b a", "c"))))
    assert judge.client.asked[0].startswith("[Question]\nSort.\nQuestion: Which?\nPassage: b a\nPassage: c\n\n[The St")


def test_an_empty_answer_is_judged_and_an_empty_instruction_fails(make_judge: Any, make_pair: Make) -> None:
    (empty,) = make_judge(lambda user: "[[1]]" if "Answer: \n[" in user else "[[9]]").judge(make_pairs(make_pair, [""]))
    assert empty.raw == 1
    judge = make_judge()
    (verdict,) = judge.judge(make_pairs(make_pair, ["x"], instruction=" "))
    assert (verdict.status, "expected d/0 to have an instruction" in verdict.detail) == (Status.FAILED, True)
    assert judge.client.asked == []


def test_reference_guided(make_judge: Any, make_pair: Make) -> None:
    judge = make_judge(reference_guided=True)
    pairs = [
        *make_pairs(make_pair, ["x"], references=("first", "second"), response="target"),
        make_pair(Objective.INSTRUCTION, "x", name="1", response="target"),
        make_pair(Objective.INSTRUCTION, "x", name="2"),
    ]
    verdicts = by_candidate(judge.judge(pairs))
    assert [v.status for v in verdicts] == [Status.SCORED, Status.SCORED, Status.ABSTAINED]
    assert sorted("first" in user for user in judge.client.asked) == [False, True]
    assert sum("[The Start of Reference Answer]\ntarget\n" in user for user in judge.client.asked) == 1


# ---------------------------------------------------------------------- asked once


def test_equal_answers_are_asked_about_once_and_paid_for_once(make_judge: Any, make_pair: Make) -> None:
    judge = make_judge(lambda user: "[[2]]" if "same" in user else "[[9]]")
    judge.client.held.clear()
    verdicts = judge.judge(make_pairs(make_pair, ["same", "same", "other", "same", "same"]))
    threading.Timer(0.05, judge.client.held.set).start()
    found = by_candidate(verdicts)
    assert [v.raw for v in found] == [2, 2, 9, 2, 2]
    assert (len(judge.client.asked), sum(v.cost for v in found)) == (2, pytest.approx(0.02))
    assert all(v.model == "m-0613" for v in found)


def test_a_failure_is_paid_for_once_too(make_judge: Any, make_pair: Make) -> None:
    judge = make_judge(lambda _: "no")
    judge.client.held.clear()
    verdicts = judge.judge(make_pairs(make_pair, ["same"] * 4))
    threading.Timer(0.05, judge.client.held.set).start()
    assert sorted(v.cost for v in verdicts) == [0, 0, 0, 0.02]


def test_two_threads_share_the_questions(make_judge: Any, make_pair: Make, tmp_path: Path) -> None:
    judge = make_judge(cache_dir=str(tmp_path), concurrency=8)
    judge.client.script = lambda user: f"[[{len(user) % 10 + 1}]]"
    pairs = make_pairs(make_pair, [f"answer {'x' * (i % 40)}" for i in range(200)])
    with ThreadPoolExecutor(4) as pool:
        runs = [run.result() for run in [pool.submit(lambda: list(judge.judge(pairs))) for _ in range(4)]]
    assert [len(run) for run in runs] == [200] * 4
    assert Counter(judge.client.asked).most_common(1)[0][1] == 1
    assert len(judge.client.asked) == 40
    assert sum(v.cost for run in runs for v in run) == pytest.approx(0.40)
    assert len({tuple(v.raw for v in by_candidate(run)) for run in runs}) == 1


# ---------------------------------------------------------------------- streaming


def test_pairs_are_read_as_there_is_room(make_judge: Any, make_pair: Make) -> None:
    read = 0

    def pairs() -> Iterator[tuple[Example, Candidate]]:
        nonlocal read
        for pair in make_pairs(make_pair, [f"a{i}" for i in range(500)]):
            read += 1
            yield pair

    judge = make_judge(concurrency=2)
    verdicts = iter(judge.judge(pairs()))
    next(verdicts)
    assert read <= 2 * llm._WAITING_PER_REQUEST + 1
    assert len(list(verdicts)) == 499
    assert judge.client.most_open <= 2 * llm._WAITING_PER_REQUEST


def test_memory_is_flat(make_judge: Any, make_pair: Make) -> None:
    example, candidate = make_pair(Objective.INSTRUCTION, "x" * 1_000)
    judge = make_judge(concurrency=2)
    judge.client.submit = lambda *_, **__: _done("[[4]]" + "y" * 1_000)

    def pairs(count: int) -> Iterator[tuple[Example, Candidate]]:
        for i in range(count):
            yield example, Candidate(**{**vars(candidate), "id": f"0/d/{i}/temperature/0", "text": f"{i}" * 200})

    for _ in judge.judge(pairs(200)):
        pass
    tracemalloc.start()
    for _ in judge.judge(pairs(3_000)):  # 6 MB of texts
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000


def _done(text: str) -> "Future[Reply]":
    future: Future[Reply] = Future()
    future.set_result(Reply(text=text, model="m", prompt_tokens=1, completion_tokens=1, cost=0.0))
    return future


def test_who_stops_early_calls_off_what_has_not_begun(make_judge: Any, make_pair: Make) -> None:
    release = threading.Event()

    def script(user: str) -> str:
        assert "Answer: a0\n" in user or release.wait(5)
        return "[[4]]"

    judge = make_judge(script, concurrency=2)
    pairs = make_pairs(make_pair, [f"a{i}" for i in range(100)])
    verdicts = judge.judge(pairs)
    next(iter(verdicts))
    verdicts.close()  # type: ignore[attr-defined]
    asked, called_off = len(judge.client.asked), sum(future.cancelled() for future in judge.client.futures)
    assert asked <= 2 * llm._WAITING_PER_REQUEST + 1
    assert called_off >= asked - 4  # but for the one answered and those that had begun
    assert not judge._flights._flights
    release.set()
    assert len(list(judge.judge(pairs))) == 100


def test_an_error_of_the_caller_reaches_it(make_judge: Any, make_pair: Make) -> None:
    def pairs() -> Iterator[tuple[Example, Candidate]]:
        yield from make_pairs(make_pair, ["a", "b"])
        raise RuntimeError("the sampler died")

    judge = make_judge()
    with pytest.raises(RuntimeError, match="the sampler died"):
        list(judge.judge(pairs()))
    assert not judge._flights._flights


# ---------------------------------------------------------------------- the cache


def test_a_second_run_asks_nothing(make_judge: Any, make_pair: Make, tmp_path: Path) -> None:
    pairs = make_pairs(make_pair, ["a", "b", "a"])
    first = make_judge(lambda user: "[[3]]" if "Answer: a" in user else "[[8]]", cache_dir=str(tmp_path / "cache"))
    before = by_candidate(first.judge(pairs))
    second = make_judge(lambda _: "[[1]]", cache_dir=str(tmp_path / "cache"), name="other", rating_scale="unit")
    after = by_candidate(second.judge(pairs))
    assert second.client.asked == []
    assert [v.raw for v in after] == [v.raw for v in before] == [3, 8, 3]
    assert [(v.cost, v.model, v.detail) for v in after] == [(0.0, v.model, v.detail) for v in before]
    assert second.note().startswith("0 requests, ")
    assert second.note().endswith(" from the cache")
    assert make_judge().note() == "0 requests"


def test_failures_are_asked_again(make_judge: Any, make_pair: Make, tmp_path: Path) -> None:
    pairs = make_pairs(make_pair, ["a"])
    assert [v.status for v in make_judge(lambda _: "no", cache_dir=str(tmp_path)).judge(pairs)] == [Status.FAILED]
    assert not list(tmp_path.glob("*/*.json"))
    assert [v.raw for v in make_judge(lambda _: "[[3]]", cache_dir=str(tmp_path)).judge(pairs)] == [3]


def test_a_damaged_or_unreadable_entry_is_redone(make_judge: Any, make_pair: Make, tmp_path: Path) -> None:
    pairs = make_pairs(make_pair, ["a"])
    list(make_judge(lambda _: "[[3]]", cache_dir=str(tmp_path)).judge(pairs))
    (entry,) = tmp_path.glob("*/*.json")
    entry.write_text(entry.read_text().replace("[[3]]", "[[9]]"))
    judge = make_judge(lambda _: "[[4]]", cache_dir=str(tmp_path))
    assert [v.raw for v in judge.judge(pairs)] == [4]
    assert [v.raw for v in make_judge(lambda _: "[[1]]", cache_dir=str(tmp_path)).judge(pairs)] == [4]


def test_a_stored_reply_that_no_longer_parses_is_redone(make_judge: Any, make_pair: Make, tmp_path: Path) -> None:
    judge = make_judge(lambda _: "[[4]]", cache_dir=str(tmp_path))
    (pair,) = make_pairs(make_pair, ["a"])
    key = judge._key(judge._grading(*pair))
    judge._cache.put(key, llm.CachedReply(text="Rating: 4", model="m", prompt_tokens=1, completion_tokens=1))
    assert [v.raw for v in judge.judge([pair])] == [4]
    assert len(judge.client.asked) == 1


def test_a_cache_that_cannot_be_used_is_said_before_a_request(make_judge: Any, make_pair: Make, tmp_path: Path) -> None:
    (tmp_path / "cache.json").write_text('{"format": 99}')
    judge = make_judge(cache_dir=str(tmp_path))
    pairs = make_pairs(make_pair, ["a"])
    for use in (lambda: judge.forecast(pairs), lambda: judge.share(1), lambda: list(judge.judge(pairs))):
        with pytest.raises(InputError, match="format 1, but got 99"):
            use()
    assert judge.client.asked == []


# ---------------------------------------------------------------------- settings and money


def test_the_version_changes_with_what_changes_scores(make_judge: Any) -> None:
    changes: list[dict[str, Any]] = [{}, {"reference_guided": True}, {"rating_scale": "unit"}, {"max_tokens": 256}]
    versions = {make_judge(**change).version for change in changes} | {LLMJudge("n", cache_dir=None).version}
    assert len(versions) == 5
    assert make_judge(name="b", concurrency=9, budget=3.0).version == make_judge().version == "1 m"


@pytest.mark.parametrize("settings", [{"name": "a-b"}, {"name": ""}, {"rating_scale": "ten"}, {"max_tokens": 0}])
def test_bad_settings(make_judge: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"expected.* {next(iter(settings))}.* got"):
        make_judge(**settings)


def test_forecast(make_judge: Any, make_pair: Make) -> None:
    pairs = [*make_pairs(make_pair, ["x" * 400, "y" * 800]), make_pair(Objective.SUMMARIZATION, "z", passages=("p",))]
    judge = make_judge(name="paid", max_tokens=100)
    forecast = judge.forecast(iter(pairs), times=7)
    characters = sum(len(m["content"]) for example, c in pairs[:2] for m in grading_messages("Answer.", c.text))
    assert (forecast.judge, forecast.calls, forecast.unit) == ("paid", 14, "requests")
    assert forecast.prompt_tokens == 7 * characters // 4
    assert forecast.completion_tokens == 1400
    assert forecast.dollars == pytest.approx((forecast.prompt_tokens + 2800) / 1e6)
    assert judge.client.asked == []


def test_what_a_round_does_with_it(make_judge: Any) -> None:
    judge = make_judge(budget=5.0)
    assert isinstance(judge, RemoteJudge)
    judge.share(4, 1.5)
    assert judge.client.shares == [(4, 1.5)]
    assert (judge.budget, judge.allow_model_change, judge.chunks_at_once) == (5.0, False, 2)


def test_nothing_is_asked_or_opened_before_it_is_needed(make_judge: Any, tmp_path: Path) -> None:
    make_judge(cache_dir=str(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


def test_another_process_gets_the_settings(tmp_path: Path) -> None:
    judge = LLMJudge("m", name="paid", cache_dir=str(tmp_path), api_key_env=None, concurrency=3)
    copy = pickle.loads(pickle.dumps(judge))
    assert (copy.name, copy.version, copy.cache_dir, copy.client.concurrency) == ("paid", "1 m", str(tmp_path), 3)


# ---------------------------------------------------------------------- over HTTP


@pytest.fixture
def over_http(tmp_path: Path) -> Iterator[Callable[..., LLMJudge]]:
    """Makes a judge that asks a local server, given how that behaves."""
    with ExitStack() as stack:

        def make(server: dict[str, Any], **settings: Any) -> tuple[LLMJudge, MisbehavingServer]:
            endpoint = stack.enter_context(MisbehavingServer(**server))
            options = {"base_url": endpoint.base_url, "api_key_env": None, "cache_dir": str(tmp_path), **settings}
            judge = LLMJudge("m", **options)
            stack.callback(judge.close)
            return judge, endpoint

        yield make  # type: ignore[misc]


def attack_pairs(make_pair: Make) -> list[tuple[Example, Candidate]]:
    return make_pairs(make_pair, list(ATTACKS.values()), instruction="Name a prime above 10.")


def test_no_attack_changes_an_honest_verdict(over_http: Any, make_pair: Make) -> None:
    judge, _ = over_http({"reply": "Poor. Rating: [[2]]"})
    assert {v.raw for v in judge.judge(attack_pairs(make_pair))} == {2}


@pytest.mark.parametrize("guided", [False, True])
def test_a_judge_that_parrots_rates_no_attack(over_http: Any, make_pair: Make, guided: bool) -> None:
    judge, _ = over_http(
        {"reply": lambda body: "\n\n".join(m["content"] for m in body["messages"])}, reference_guided=guided
    )
    pairs = [(replace(example, response="11"), candidate) for example, candidate in attack_pairs(make_pair)]
    verdicts = list(judge.judge(pairs))
    assert {v.status for v in verdicts} == {Status.FAILED}
    assert len(verdicts) == len(ATTACKS)


def test_a_judge_that_quotes_before_it_rates_is_read_by_its_rating(over_http: Any, make_pair: Make) -> None:
    judge, _ = over_http({"reply": lambda body: f"It says: {body['messages'][1]['content']}\nRating: [[2]]"})
    assert {v.raw for v in judge.judge(attack_pairs(make_pair))} == {2}


def test_a_judge_that_quotes_after_it_has_rated_never_gives_the_quoted_rating(over_http: Any, make_pair: Make) -> None:
    """As shown, the quotation is no rating; put back into the answer's own words, it costs the answer its verdict."""

    def verbatim(body: dict[str, Any]) -> str:
        return f"Rating: [[2]]. It says: {body['messages'][1]['content']}"

    judge, _ = over_http({"reply": verbatim}, cache_dir=None)
    assert {v.raw for v in judge.judge(attack_pairs(make_pair))} == {2}
    judge, _ = over_http({"reply": lambda body: verbatim(body).replace("\\", "")}, cache_dir=None)
    verdicts = list(judge.judge(attack_pairs(make_pair)))
    assert {v.raw for v in verdicts} == {2, None}
    assert {v.status for v in verdicts} == {Status.SCORED, Status.FAILED}


def test_a_reply_that_is_cut_off_is_no_verdict(over_http: Any, make_pair: Make) -> None:
    judge, server = over_http({"reply": "It says [[10]]", "faults": lambda _: "cut_off"}, max_tokens=9)
    (verdict,) = judge.judge(make_pairs(make_pair, ["x"]))
    assert (verdict.status, verdict.score) == (Status.FAILED, None)
    assert "the limit of 9 tokens cut it off" in verdict.detail
    assert server.bodies[0]["max_tokens"] == 9
    assert server.bodies[0]["temperature"] == 0


def test_the_key_is_nowhere_but_in_the_requests(
    over_http: Any, make_pair: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-secret-0123456789")
    judge, server = over_http({"faults": ["500"]}, api_key_env="JUDGE_KEY")
    pairs = make_pairs(make_pair, ["a", "b"])
    verdicts = list(judge.judge(pairs))
    assert [v.status for v in verdicts] == [Status.SCORED] * 2
    assert set(server.authorizations) == {"Bearer sk-secret-0123456789"}
    stored = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert len(list(tmp_path.glob("*/*.json"))) == 2
    assert "secret" not in stored + repr(verdicts) + repr(vars(judge)) + str(pickle.dumps(judge))


def test_no_key_and_a_wrong_one_end_the_judging_in_one_line(
    over_http: Any, make_pair: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = make_pairs(make_pair, [f"a{i}" for i in range(20)])
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    judge, server = over_http({}, api_key_env="JUDGE_KEY")
    with pytest.raises(InputError, match="JUDGE_KEY"):
        list(judge.judge(pairs))
    assert not server.bodies
    monkeypatch.setenv("JUDGE_KEY", "sk-secret-0123456789")
    judge, server = over_http({"faults": lambda _: "401"}, api_key_env="JUDGE_KEY", concurrency=1)
    with pytest.raises(InputError, match="does not accept the key in JUDGE_KEY") as error:
        list(judge.judge(pairs))
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)
    assert len(server.bodies) == 1


def test_what_was_in_flight_ends_when_the_caller_stops(over_http: Any, make_pair: Make) -> None:
    judge, server = over_http({"latency": 0.05}, concurrency=4)
    verdicts = judge.judge(make_pairs(make_pair, [f"a{i}" for i in range(100)]))
    next(iter(verdicts))
    verdicts.close()
    judge.close()
    time.sleep(0.3)  # what was on its way arrives
    sent = len(server.bodies)
    assert sent < 20
    time.sleep(0.2)
    assert len(server.bodies) == sent
