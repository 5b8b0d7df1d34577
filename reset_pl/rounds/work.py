"""One rank's share of a round: sample a chunk and commit it, while every judge rates the chunks before it."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from reset_pl.errors import InputError
from reset_pl.judging.remote import RemoteJudge
from reset_pl.progress import Progress
from reset_pl.records import Candidate, Example, Judge
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.outlook import stand_in
from reset_pl.rounds.prompts import Chunk, RoundSettings
from reset_pl.rounds.ranks import check_interruption
from reset_pl.rounds.selection import REFERENCE
from reset_pl.rounds.tables import candidate_from_row, candidate_row, verdict_row
from reset_pl.sampling.decoding import BoundPlan, Sampler

_LOOKS_EVERY = 0.5  # seconds between looks at whether to stop, while judges work


class Stopwatch:
    """Seconds during which at least one thread was inside."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = 0
        self._since = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Start, unless another thread has."""
        with self._lock:
            if self._inside == 0:
                self._since = time.monotonic()
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        """Stop, unless another thread is inside."""
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self.seconds += time.monotonic() - self._since


class Worker:
    """Does what the ledger lacks of some chunks.

    Each judge has a thread of its own (a remote one as many as it asks for), so that a slow endpoint and a busy NLI
    model do not wait for each other. A judge reads a chunk's candidates from the ledger when it comes to them, so
    sampling that runs ahead costs no memory. ``busy`` counts the seconds in which any of them was at work.

    Args:
        ledger: The round's.
        settings: Number, seed and sizes.
        plan: What is drawn for each prompt.
        sampler: Draws it; holds the policy already.
        judges: Rate the candidates.
    """

    def __init__(
        self, ledger: Ledger, settings: RoundSettings, plan: BoundPlan, sampler: Sampler, judges: Sequence[Judge]
    ) -> None:
        self.ledger, self.settings, self.plan, self.sampler, self.judges = ledger, settings, plan, sampler, judges
        self._sampling, self._judging = Stopwatch(), Stopwatch()
        self.busy = Stopwatch()
        self._watches = {judge.name: Stopwatch() for judge in judges}
        self._models: defaultdict[str, set[str]] = defaultdict(set)
        self._judged_by: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds spent sampling, and judging, which overlap."""
        return {"sample": self._sampling.seconds, "judge": self._judging.seconds}

    @property
    def seconds_of_judges(self) -> dict[str, float]:
        """Judge's name → seconds at work."""
        return {name: watch.seconds for name, watch in self._watches.items()}

    def run(self, chunks: Sequence[Chunk]) -> None:
        """Sample and judge the chunks.

        Raises:
            InputError: A judge cannot go on, or two models answered for one; what was committed stays.
            Interrupted: A rank was asked to stop. What is being sampled and judged is committed first; what waits for
                a judge is left for the next start.
        """
        total = sum(len(chunk.examples) for chunk in chunks)
        label = f"round {self.settings.number}"
        with (
            Progress(total, f"{label} sampling", "prompts") as sampled,
            Progress(total, f"{label} judging", "prompts") as judged,
            _threads(self.judges) as threads,
        ):
            pending: list[Future[None]] = []
            for chunk in chunks:
                check_interruption(self.ledger)
                self._sample(chunk)
                sampled.advance(len(chunk.examples))
                pending += [threads[judge.name].submit(self._judge, judge, chunk, judged) for judge in self.judges]
                _raise_failures(pending)
            while pending:
                check_interruption(self.ledger)
                wait(pending, timeout=_LOOKS_EVERY, return_when=FIRST_COMPLETED)
                _raise_failures(pending)

    # ------------------------------------------------------------------ sampling

    def _sample(self, chunk: Chunk) -> None:
        if self.ledger.part_path("candidates", chunk.name).exists():
            return
        with self._sampling, self.busy:
            try:
                candidates = list(self.sampler.sample(chunk.examples, self.plan))
            except InputError:
                check_interruption(self.ledger)  # the signal may have ended the sampler's own process too
                raise
        if self.settings.judge_references:
            candidates += [self._reference(e, e.response) for e in chunk.examples if e.response is not None]
        candidates.sort(key=lambda candidate: candidate.id)
        dataset = chunk.examples[0].dataset
        self.ledger.write_part([candidate_row(c, dataset) for c in candidates], "candidates", chunk.name)

    def _reference(self, example: Example, response: str) -> Candidate:
        number = self.settings.number
        return stand_in(example, f"{number}/{example.id}/{REFERENCE}/0", number, response, REFERENCE)

    # ------------------------------------------------------------------ judging

    def _judge(self, judge: Judge, chunk: Chunk, progress: Progress) -> None:
        rows = self.ledger.read_part("verdicts", chunk.name, judge.name)
        if rows is None:
            examples = {example.id: example for example in chunk.examples}
            candidates = map(candidate_from_row, self.ledger.read_part("candidates", chunk.name) or ())
            with self._judging, self._watches[judge.name], self.busy:
                verdicts = judge.judge((examples[candidate.example_id], candidate) for candidate in candidates)
                rows = sorted(map(verdict_row, verdicts), key=lambda row: row["candidate_id"])
            self._check_models(judge, rows)
            self.ledger.write_part(rows, "verdicts", chunk.name, judge.name)
        else:
            self._check_models(judge, rows)
        self._advance(chunk, progress)

    def _check_models(self, judge: Judge, rows: Sequence[dict[str, object]]) -> None:
        models = self._models[judge.name]
        models.update(str(row["model"]) for row in rows if row.get("model"))
        check_models(judge, models, self.ledger)

    def _advance(self, chunk: Chunk, progress: Progress) -> None:
        """A chunk's prompts count once the last of the judges is done with them."""
        with self._lock:
            self._judged_by[chunk.name] += 1
            if self._judged_by[chunk.name] == len(self.judges):
                notes = [f"{judge.name}: {judge.note()}" for judge in self.judges if isinstance(judge, RemoteJudge)]
                progress.advance(len(chunk.examples), note="".join(f"; {note}" for note in notes))


def check_models(judge: Judge, models: set[str], ledger: Ledger) -> None:
    """Refuse to rank answers by the ratings of two models.

    Raises:
        InputError: More than one answered for this judge, and it does not allow that.
    """
    if len(models) < 2 or (isinstance(judge, RemoteJudge) and judge.allow_model_change):
        return
    raise InputError(
        f"expected one model behind judge {judge.name} in a round, but {' and '.join(sorted(models))} answered: "
        f"name one of them as its model and delete {ledger.parts}/verdicts-{judge.name}-*.parquet to have it judge the "
        "round anew, or set allow_model_change: true"
    )


@contextmanager
def _threads(judges: Sequence[Judge]) -> Iterator[dict[str, ThreadPoolExecutor]]:
    """A pool for each judge; after an error what has not begun is dropped, and what runs is waited for.

    Not after Ctrl-C: judges that can be closed (those that ask an endpoint) are, which calls off what they wait for.
    """
    pools = {
        judge.name: ThreadPoolExecutor(
            max_workers=judge.chunks_at_once if isinstance(judge, RemoteJudge) else 1, thread_name_prefix=judge.name
        )
        for judge in judges
    }
    try:
        yield pools
    except KeyboardInterrupt:
        for judge in judges:
            getattr(judge, "close", lambda: None)()
        raise
    finally:
        for pool in pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in pools.values():
            pool.shutdown(wait=True)


def _raise_failures(pending: list[Future[None]]) -> None:
    """Raise what a finished judgement raised, at once and not after the last chunk."""
    for future in [f for f in pending if f.done()]:
        future.result()
        pending.remove(future)
