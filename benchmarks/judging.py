"""The LLM judge against a local endpoint that fails, its cache, and its memory.

    python benchmarks/judging.py [--requests-per-minute 5000] [--requests 10000] [--verdicts 1000000]

1. The endpoint (``tests/judging/misbehaving_server.py``, in a process of its own) takes 0.1 s for a reply, admits R
   requests in any 60 s and refuses what comes beyond. 5% of what it admits meets a fault, of 16 kinds by chance: 408,
   409, 429 with and without ``Retry-After``, 500, 503, hang-ups before and within the body, a reply that never comes,
   broken bodies, bodies that are no JSON, no choices, empty, unparsable and cut-off replies, another model's id.
   The judge's limit is R; its deadline is 15 s, so that what never comes is given up after 5 s.
2. The same candidates again, with what the first run stored.
3. Verdicts on pairs given lazily, while the process's anonymous memory (``RssAnon``) is watched: one in fifty is new
   and asked of an endpoint without faults or limits, the others come out of the cache.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reset_pl.judging.llm import LLMJudge
from reset_pl.records import Candidate, Decoding, Example, Objective, stable_hash

SERVER = Path(__file__).parent.parent / "tests/judging/misbehaving_server.py"
NEW_ONE_IN = 50


@contextmanager
def endpoint(**options: float) -> Iterator[str]:
    """The address of a server in a process of its own."""
    command = [sys.executable, str(SERVER)]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def stats(base_url: str) -> dict[str, Any]:
    """What the server counted."""
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats") as reply:
        return dict(json.load(reply))


def make_pair(number: int) -> tuple[Example, Candidate]:
    """An instruction with an answer of some 500 characters, like no other."""
    words = " ".join(f"w{stable_hash(number, k) % 5000}" for k in range(90))
    example = Example(
        id=f"i/{number}", dataset="i", objective=Objective.INSTRUCTION, instruction=f"Write about w{number}, please."
    )
    candidate = Candidate(
        id=f"0/{number}",
        example_id=example.id,
        round=0,
        procedure="temperature",
        decoding=Decoding(temperature=0.1),
        text=words,
        token_ids=(),
        finish_reason="stop",
        seed=0,
    )
    return example, candidate


def make_judge(base_url: str, cache: str, **options: Any) -> LLMJudge:
    """A judge as a configuration would make it."""
    return LLMJudge("judge", base_url=base_url, cache_dir=cache, api_key_env=None, concurrency=64, **options)


def anonymous_mb() -> float:
    """RssAnon of this process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def throughput(limit: float, requests: int, cache: str) -> float:
    """Judge under a limit and faults; the seconds that it took."""
    with endpoint(requests_per_minute=limit, fault_rate=0.05, latency=0.1) as base_url:
        judge = make_judge(base_url, cache, requests_per_minute=limit, deadline=15.0)
        start = time.perf_counter()
        verdicts = Counter(verdict.status.value for verdict in judge.judge(map(make_pair, range(requests))))
        seconds = time.perf_counter() - start
        counted = stats(base_url)
        judge.close()
    share = counted["arrivals_until_the_last_new"] / counted["seconds_until_the_last_new"] * 60 / limit
    whole = counted["arrivals"] / counted["seconds"] * 60 / limit
    faults = {name: count for name, count in counted["injected"].items() if name != "over the limit"}
    print(f"{requests:,} requests in {seconds:.1f} s, R = {limit:,.0f} a minute; {judge.note()}")
    print(f"faults injected: {sum(faults.values())} of {len(faults)} kinds: {faults}")
    print(f"admitted while requests were waiting: {share:.1%} of R (at least 95%); with the last retries: {whole:.1%}")
    most, beyond = counted["most_in_a_minute"], counted["injected"].get("over the limit", 0)
    print(f"most in any 60 s: {most:,} ({most / limit:.1%} of R, at most 100%); refused as beyond R: {beyond} (0)")
    print(f"lost: {requests - verdicts['scored']} (0); answered twice: {counted['answered_twice']} (0)", flush=True)
    return seconds


def second_run(requests: int, cache: str, first: float) -> None:
    """The same again, with what the first run stored; nobody listens at the address."""
    judge = make_judge("http://127.0.0.1:9/v1", cache)
    start = time.perf_counter()
    scored = sum(verdict.score is not None for verdict in judge.judge(map(make_pair, range(requests))))
    seconds = time.perf_counter() - start
    print(f"second run: {scored:,} verdicts, {judge.client.requests} requests sent (0),", end=" ")
    print(f"{seconds:.2f} s, {seconds / first:.1%} of the first run's (at most 5%)", flush=True)


def memory(verdicts: int, requests: int, cache: str) -> None:
    """Growth while a million verdicts are made."""

    def pairs() -> Iterator[tuple[Example, Candidate]]:
        for i in range(verdicts):
            yield make_pair(requests + i if i % NEW_ONE_IN == 0 else i % requests)

    with endpoint() as base_url:
        judge = make_judge(base_url, cache)
        start, before, most = time.perf_counter(), anonymous_mb(), 0.0
        for count, _ in enumerate(judge.judge(pairs()), start=1):
            if count % 1000 == 0:
                most = max(most, anonymous_mb())
            if count % (verdicts // 5) == 0:
                print(f"  {count:,} verdicts: {anonymous_mb():.0f} MB", flush=True)
        print(f"{count:,} verdicts in {time.perf_counter() - start:.0f} s ({judge.note()}):", end=" ")
        print(f"from {before:.0f} MB by at most {most - before:.0f} MB (at most 300)")
        judge.close()


def main() -> None:
    """All three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests-per-minute", type=float, default=5000.0)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--verdicts", type=int, default=1_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        seconds = throughput(args.requests_per_minute, args.requests, cache)
        second_run(args.requests, cache, seconds)
        memory(args.verdicts, args.requests, cache)


if __name__ == "__main__":
    main()
