"""Sampling from a running vLLM server, for policies and machines that a process beside the trainer does not suit."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from reset_pl.errors import InputError
from reset_pl.policy.export import export_policy
from reset_pl.policy.probe import check_hand_over, log_probs, probe_prompts, rounding
from reset_pl.policy.ranks import gather
from reset_pl.records import Candidate, Example
from reset_pl.sampling.answers import to_candidate
from reset_pl.sampling.decoding import Plan, Sampler
from reset_pl.sampling.hand_over import Request, make_place, prompt_log_probs, requests_of, together

RETRIES = 5
"""Attempts more at a request that meets a busy or failing server, with a back-off of 0.5 to 8 s."""
_LAST_WORDS = 15


class ServerSampler(Sampler):
    """Draws candidates from a vLLM server, over its completions endpoint.

    How the server gets the policy's weights is a command of the user's: the policy is exported to a folder, the
    command makes the server serve it, and ``open`` goes on when it has returned. Without a command the server is
    expected to serve the policy as it is. Either way it is believed only once it gives probe prompts the trainer's
    log-probabilities.

    Args:
        base_url: The server's address, ``http://host:8000/v1``.
        model: Name under which it serves the policy.
        on_weights: Shell command that makes the server serve new weights; ``{folder}`` in it is their folder. It
            returns 0 when the server answers with them; it runs once a round, on the first rank.
        export_dir: Folder that the server can read too; when not given, a local one as ``VllmSampler``'s.
        api_key_env: Variable with the server's key, if it wants one.
        concurrency: Requests in flight at once, of each rank.
        start_deadline: Seconds that the command may take.
        deadline: Seconds that one attempt at a request may take.
        tolerance: Mean difference of a token's log-probability between trainer and server, in nats; when not given,
            what rounding explains in the policy's type (a server in bfloat16 behind a float32 trainer needs 0.15).
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        on_weights: str | None = None,
        export_dir: str | None = None,
        api_key_env: str | None = None,
        concurrency: int = 128,
        start_deadline: float = 900.0,
        deadline: float = 600.0,
        tolerance: float | None = None,
    ) -> None:
        if concurrency < 1:
            raise InputError(f"expected ServerSampler.concurrency of at least 1, but got {concurrency}")
        if api_key_env is not None and not os.environ.get(api_key_env):
            raise InputError(
                f"expected the server's key in ${api_key_env} (ServerSampler.api_key_env), but it is empty"
            )
        self.base_url = base_url
        self.model = model
        self.on_weights = on_weights
        self.export_dir = export_dir
        self.api_key_env = api_key_env
        self.concurrency = concurrency
        self.start_deadline = start_deadline
        self.deadline = deadline
        self.tolerance = tolerance
        self._encoder: Any = None
        self._client: Any = None
        self._place: Path | None = None

    def open(self, policy: Any, encoder: Any) -> None:
        """Hand the server the weights and prove that it serves them; all ranks together.

        Raises:
            InputError: The command fails, nobody answers, or the server holds other weights.
        """
        from openai import OpenAI

        self._encoder = encoder
        prompts = probe_prompts(min(len(encoder.tokenizer), policy.config.vocab_size))
        expected = log_probs(policy, prompts)
        try:
            if self.on_weights is not None:
                self._hand_over(policy, self.on_weights)
            key = os.environ[self.api_key_env] if self.api_key_env else "none"
            self._client = OpenAI(base_url=self.base_url, api_key=key, timeout=self.deadline, max_retries=RETRIES)
            with together():
                got = prompt_log_probs(self._ask, prompts)
                tolerance = self.tolerance if self.tolerance is not None else rounding(str(policy.dtype)[6:])
                check_hand_over(expected, got, tolerance=tolerance, receiver=f"the server at {self.base_url}")
        except BaseException:
            self.close()
            raise

    def sample(self, examples: Sequence[Example], plan: Plan) -> Iterable[Candidate]:
        """Draw every candidate of the plan; they come as they finish."""
        requests, meaning = requests_of(examples, plan, self._encoder)
        for reply in self._ask(requests):
            yield to_candidate(*meaning[reply["id"]], reply["token_ids"], self._encoder.tokenizer)

    def close(self) -> None:
        """Let go of the server, which keeps running, and delete what it was given."""
        if self._client is not None:
            self._client.close()
        if self._place is not None:
            shutil.rmtree(self._place, ignore_errors=True)
        self._client = self._place = self._encoder = None

    # ------------------------------------------------------------------ weights

    def _hand_over(self, policy: Any, command: str) -> None:
        with together():
            self._place = make_place(self.export_dir)
        first = gather(self._place)[0]
        with together():
            export_policy(policy, self._encoder.tokenizer, first / "policy", writes=first == self._place)
        with together():
            if first == self._place:
                _run(command.replace("{folder}", shlex.quote(str(first / "policy"))), self.start_deadline)

    # ------------------------------------------------------------------ requests

    def _ask(self, requests: Sequence[Request]) -> Iterator[dict[str, Any]]:
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="sampling") as threads:
            pending = [threads.submit(self._complete, request) for request in requests]
            try:
                for reply in as_completed(pending):
                    yield reply.result()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def _complete(self, request: Request) -> dict[str, Any]:
        """One request's reply, in the form of ``vllm_worker``'s."""
        import openai

        ours = dict(request["parameters"])
        known = {name: ours.pop(name) for name in ("temperature", "top_p", "max_tokens", "seed") if name in ours}
        try:
            completion = self._client.completions.create(
                model=self.model,
                prompt=list(request["prompt"]),
                **known,
                extra_body={**ours, "ignore_eos": True, "return_token_ids": True},
            )
        except openai.APIError as error:
            raise self._explained(error, request["id"]) from None
        choice = completion.choices[0]
        extra = choice.model_extra or {}
        if extra.get("token_ids") is None:
            raise InputError(
                f"expected token ids from {self.base_url}, but it gives text alone: ServerSampler needs a vLLM server "
                "that knows return_token_ids"
            )
        rows = (extra.get("prompt_logprobs") or [None])[1:]
        log_probs_of_prompt = [
            row[str(token)]["logprob"] for row, token in zip(rows, request["prompt"][1 : len(rows) + 1], strict=True)
        ]
        return {"id": request["id"], "token_ids": extra["token_ids"], "prompt_log_probs": log_probs_of_prompt}

    def _explained(self, error: Exception, name: str) -> InputError:
        import openai

        line = " ".join(str(error).split())
        if isinstance(error, openai.APITimeoutError):
            return InputError(
                f"expected an answer from {self.base_url} within {self.deadline:g} s (ServerSampler.deadline), but "
                "none came; start the same command again and it goes on from what is committed"
            )
        if isinstance(error, openai.APIConnectionError):
            return InputError(
                f"expected a server at {self.base_url} (ServerSampler.base_url), but nobody answers there: start it, "
                "then start the same command again and it goes on from what is committed"
            )
        if isinstance(error, openai.NotFoundError):
            return InputError(
                f"expected the server at {self.base_url} to serve {self.model!r} (ServerSampler.model): {line}"
            )
        if isinstance(error, openai.BadRequestError):
            return InputError(f"{self.base_url} does not take the prompt of {name}: {line}")
        return InputError(f"expected a completion from {self.base_url}, but it says: {line}")


def _run(command: str, deadline: float) -> None:
    """Run the user's command.

    Raises:
        InputError: It fails, or takes too long.
    """
    with tempfile.TemporaryFile() as output:  # not a pipe, which a server that stays would keep open
        process = subprocess.Popen(
            command, shell=True, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            status = process.wait(deadline)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise InputError(
                f"expected ServerSampler.on_weights to return within {deadline:g} s (start_deadline): {command}"
            ) from None
        if status:
            output.seek(0)
            lines = output.read().decode(errors="replace").splitlines()
            words = "\n".join([line for line in lines if line.strip()][-_LAST_WORDS:])
            raise InputError(
                f"expected ServerSampler.on_weights to return 0, but it returned {status}: {command}\n{words}"
            )
