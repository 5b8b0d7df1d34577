"""Judges: does the endpoint answer, does the NLI model name its labels?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import TimeoutError as TooLate

from reset_pl.doctor.finding import Finding, ok, red
from reset_pl.errors import InputError
from reset_pl.judging.client import NoReply
from reset_pl.judging.grounding import SummacJudge
from reset_pl.judging.llm import LLMJudge
from reset_pl.metrics.nli import nli_label_indices
from reset_pl.records import Judge

PING_SECONDS = 15.0
"""Deadline of a ping."""


def check_judges(judges: Iterable[Judge]) -> Iterator[Finding]:
    """Ask each endpoint one short question, and look at each NLI model's config."""
    seen: set[tuple[str, str | None]] = set()
    for judge in judges:
        if isinstance(judge, LLMJudge) and (judge.model, judge.client.base_url) not in seen:
            seen.add((judge.model, judge.client.base_url))
            yield _ping(judge)
        if isinstance(judge, SummacJudge) and (judge.summac.nli.model, None) not in seen:
            seen.add((judge.summac.nli.model, None))
            yield from _labels(judge)


def _ping(judge: LLMJudge) -> Finding:
    """One request, at the price of a few tokens."""
    subject = f"judge {judge.name}"
    judge.client.deadline = PING_SECONDS
    try:
        messages = [{"role": "user", "content": "Reply with the word ok."}]
        reply = judge.client.submit(messages, max_tokens=judge.max_tokens, accept=len).result(2 * PING_SECONDS)
    except InputError as error:
        return red(subject, str(error))
    except (NoReply, TooLate) as error:
        said = str(error) or f"no reply within {2 * PING_SECONDS:.0f} s"
        return red(subject, said, "see to the endpoint, or take the judge out of the configuration")
    finally:
        judge.close()
    return ok(subject, f"{reply.model} answers" + (f", ${reply.cost:.4f}" if reply.cost else ""))


def _labels(judge: SummacJudge) -> Iterator[Finding]:
    from transformers import AutoConfig, AutoTokenizer

    model, needed = judge.summac.nli.model, judge.summac.nli.need_contradiction
    subject = f"judge {judge.name}"
    try:
        labels = AutoConfig.from_pretrained(model).id2label
        entailment, contradiction = nli_label_indices(labels, need_contradiction=needed)
        AutoTokenizer.from_pretrained(model)
    except InputError as error:
        yield red(subject, str(error))
    except (OSError, ValueError) as error:
        line = (str(error).splitlines() or [""])[0]
        yield red(
            subject,
            f"expected an NLI model with its tokenizer at {model!r} (a folder or a hub id): {line}",
            "mend SummacJudge.model, or download it where there is a network",
        )
    else:
        told = f", contradiction {labels[contradiction]!r}" if contradiction is not None else ""
        yield ok(subject, f"{model}: entailment is {labels[entailment]!r}{told}")
