"""A large model as a judge: rates how well an answer follows an open instruction (paper, section 2.2, Table 5)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from reset_pl.errors import InputError
from reset_pl.judging.cache import DEFAULT_CACHE, CachedReply, ReplyCache, request_key
from reset_pl.judging.client import ChatClient, NoReply, Reply
from reset_pl.judging.flights import Flight, Flights
from reset_pl.judging.forecast import Forecast
from reset_pl.judging.rating import PROMPT_VERSION, Message, grading_messages, parse_rating
from reset_pl.judging.verdicts import abstained, failed, scored
from reset_pl.records import Aspect, Candidate, Example, Judge, Objective, Verdict

__all__ = ["LLMJudge"]

_SCALES = {"tenths": lambda rating: rating / 10, "unit": lambda rating: (rating - 1) / 9}
_WAITING_PER_REQUEST = 4  # many candidates are equal, so more must wait than requests may be open
_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, kw_only=True)
class _Grading:
    """A candidate and what the model is shown of it."""

    candidate: Candidate
    messages: list[Message]
    shown: str
    """The untrusted texts in the messages, as they came."""


class LLMJudge(Judge):
    """Asks a chat model for a rating from 1 to 10; ``raw`` is the rating, ``detail`` the model's words.

    What the endpoint does not answer, or not with a rating, is a failed verdict with the reason. Equal answers to one
    instruction are asked about once, and each gets the verdict; what was answered before comes out of the cache.

    Args:
        model: Name under which the endpoint knows the model.
        name: The judge's name; several of them stand side by side under different names.
        reference_guided: Whether the model is shown the example's reference (else its response) and told to compare
            with it; the judge then abstains where there is none.
        rating_scale: How a rating r becomes a score: ``tenths`` is r / 10, from 0.1 to 1; ``unit`` is (r − 1) / 9,
            from 0 to 1.
        max_tokens: Length limit of a reply, in tokens; a reply that it cuts off is none.
        cache_dir: Folder of the replies paid for, for all runs; null for none.
        client: How the endpoint is asked: the arguments of ``ChatClient``.
    """

    aspect = Aspect.INSTRUCTION
    objectives = frozenset({Objective.INSTRUCTION})
    chunks_at_once = 2

    def __init__(
        self,
        model: str,
        name: str = "llm",
        reference_guided: bool = False,
        rating_scale: Literal["tenths", "unit"] = "tenths",
        max_tokens: int = 512,
        cache_dir: str | None = DEFAULT_CACHE,
        **client: Any,
    ) -> None:
        if not re.fullmatch(r"\w+", name, re.ASCII):
            raise InputError(f"expected the name of an LLMJudge to be letters, digits and underscores, got {name!r}")
        if rating_scale not in _SCALES:
            raise InputError(f"expected rating_scale to be 'tenths' or 'unit', got {rating_scale!r}")
        if max_tokens < 1:
            raise InputError(f"expected max_tokens to be at least 1 token, got {max_tokens}")
        self.model, self.name, self.reference_guided = model, name, reference_guided
        self.rating_scale: Literal["tenths", "unit"] = rating_scale
        self.max_tokens, self.cache_dir = max_tokens, cache_dir
        self.client = ChatClient(model, **client)
        self.version = f"{PROMPT_VERSION} {model}"
        self.version += " reference_guided" if reference_guided else ""
        self.version += "" if rating_scale == "tenths" else f" {rating_scale}"
        self.version += "" if max_tokens == 512 else f" max_tokens {max_tokens}"
        self.cached = 0
        self._flights: Flights[Reply | CachedReply] = Flights()

    # ------------------------------------------------------------------ judging

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        """One verdict for each instruction pair, in the order of the replies; two threads may call it at once.

        Pairs are read as there is room for their requests. A caller that stops early calls off what it waits for.

        Raises:
            InputError: No request can succeed: no key, a wrong one, no endpoint, the budget spent.
        """
        window = _WAITING_PER_REQUEST * self.client.concurrency
        waiting: dict[int, tuple[_Grading, Flight[Reply | CachedReply]]] = {}
        arrived: SimpleQueue[int] = SimpleQueue()
        try:
            for number, (example, candidate) in enumerate(pairs):
                if example.objective not in self.objectives:
                    continue
                grading = self._grading(example, candidate)
                if isinstance(grading, Verdict):
                    yield grading
                    continue
                while len(waiting) >= window or not arrived.empty():
                    yield self._verdict(*waiting.pop(arrived.get()))
                flight = self._flights.board(self._key(grading), partial(self._ask, grading))
                waiting[number] = grading, flight
                flight.answer.add_done_callback(partial(_announce, arrived, number))
            while waiting:
                yield self._verdict(*waiting.pop(arrived.get()))
        finally:
            for _, flight in waiting.values():
                self._flights.leave(flight)

    def _grading(self, example: Example, candidate: Candidate) -> _Grading | Verdict:
        """What to ask, or the verdict where nothing can be asked."""
        question = _question(example)
        if not question.strip():
            return failed(self, candidate, ValueError(f"expected {example.id} to have an instruction, got none"))
        reference = None
        if self.reference_guided:
            reference = next(iter(example.references), example.response)
            if reference is None:
                return abstained(self, candidate, "no reference")
        return _Grading(
            candidate=candidate,
            messages=grading_messages(question, candidate.text, reference),
            shown="\n".join([question, candidate.text, reference or ""]),
        )

    def _key(self, grading: _Grading) -> str:
        return request_key(self.model, grading.messages, temperature=0, max_tokens=self.max_tokens)

    def _ask(self, grading: _Grading) -> Future[Any]:
        accept = partial(parse_rating, shown=grading.shown)
        known = self._cache.get(self._key(grading)) if self._cache else None
        if known is not None:
            try:
                accept(known.text)
            except ValueError:  # stored when replies were read in another way
                pass
            else:
                at_once: Future[CachedReply] = Future()
                at_once.set_result(known)
                return at_once
        return self.client.submit(grading.messages, max_tokens=self.max_tokens, accept=accept)

    def _verdict(self, grading: _Grading, flight: Flight[Reply | CachedReply]) -> Verdict:
        """The verdict that a reply means; the first of those who waited for it keeps it, and bears its cost."""
        is_first = self._flights.land(flight)
        try:
            reply = flight.answer.result()
            cost = reply.cost if is_first and isinstance(reply, Reply) else 0.0
            if is_first:
                self._keep(flight.key, reply)
        except NoReply as error:
            cost = error.cost if is_first else 0.0
            return replace(failed(self, grading.candidate, error), detail=str(error), cost=cost)
        finally:
            if is_first:
                self._flights.forget(flight)
        rating = parse_rating(reply.text, grading.shown)
        score = _SCALES[self.rating_scale](rating)
        verdict = scored(self, grading.candidate, score, raw=rating, detail=reply.text.strip())
        return replace(verdict, cost=cost, model=reply.model)

    def _keep(self, key: str, reply: Reply | CachedReply) -> None:
        if isinstance(reply, CachedReply):
            self.cached += 1
        elif self._cache:
            kept = {name: getattr(reply, name) for name in CachedReply.__dataclass_fields__}
            self._cache.put(key, CachedReply(**kept))

    @cached_property
    def _cache(self) -> ReplyCache | None:
        return None if self.cache_dir is None else ReplyCache(Path(self.cache_dir))

    # ------------------------------------------------------------------ limits and money

    @property
    def budget(self) -> float | None:
        """What a run may spend, in US dollars."""
        return self.client.budget

    @property
    def allow_model_change(self) -> bool:
        """Whether verdicts of one round may come from different models."""
        return self.client.allow_model_change

    def forecast(self, pairs: Iterable[tuple[Example, Candidate]], times: int = 1) -> Forecast:
        """The requests, tokens and money of judging ``pairs``, each with ``times`` different answers.

        Raises:
            InputError: The cache cannot be used; better said now than after sampling.
        """
        _ = self._cache
        calls = characters = 0
        for example, candidate in pairs:
            if example.objective in self.objectives:
                grading = self._grading(example, candidate)
                if isinstance(grading, _Grading):
                    calls += times
                    characters += times * sum(len(message["content"]) for message in grading.messages)
        prompt_tokens, completion_tokens = characters // _CHARS_PER_TOKEN, calls * self.max_tokens
        return Forecast(
            judge=self.name,
            calls=calls,
            unit="requests",
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            dollars=self.client.price(prompt_tokens, completion_tokens),
        )

    def share(self, world_size: int, spent: float = 0.0) -> None:
        """Begin a round: this process takes its share of the limits, and of what ``spent`` dollars left of the budget.

        Raises:
            InputError: The budget is spent, or the cache cannot be used.
        """
        _ = self._cache
        self.client.share(world_size, spent)

    def note(self) -> str:
        """Requests, money, retries and cached replies so far, for the progress bar."""
        return self.client.note() + (f", {self.cached:,} from the cache" if self.cached else "")

    def close(self) -> None:
        """End the connection."""
        self.client.close()


def _announce(arrived: SimpleQueue[int], number: int, _: Future[Any]) -> None:
    arrived.put(number)


def _question(example: Example) -> str:
    """What was asked: the instruction, and its input as the model reads it."""
    question = [f"Question: {example.question}"] if example.question else []
    return "\n".join([example.instruction, *question, *(f"Passage: {passage}" for passage in example.passages)])
