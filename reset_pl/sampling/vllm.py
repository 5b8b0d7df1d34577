"""Sampling with vLLM, in a process of its own for each rank's GPU."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reset_pl.errors import InputError
from reset_pl.policy.export import export_policy
from reset_pl.policy.load import DType
from reset_pl.policy.probe import check_hand_over, log_probs, probe_prompts, rounding
from reset_pl.policy.ranks import gather
from reset_pl.records import Candidate, Example
from reset_pl.sampling.answers import to_candidate
from reset_pl.sampling.decoding import Plan, Sampler
from reset_pl.sampling.engine import Engine
from reset_pl.sampling.hand_over import make_place, prompt_log_probs, requests_of, together, visible_device


@dataclass(frozen=True)
class _Rank:
    """What the ranks tell each other."""

    host: str
    place: Path
    device: str | None


class VllmSampler(Sampler):
    """Draws candidates with vLLM, which gets the weights as a folder and gives its memory back after the round.

    ``open`` writes the policy once on each node, starts a fresh vLLM for each rank on the rank's own GPU, and has both
    sides rate the same prompts: vLLM samples only if it gives them the trainer's log-probabilities. Equal seeds give
    equal candidates for equal chunks on the same kind of machine.

    Args:
        python: Interpreter of the environment that has vLLM; this one when not given.
        dtype: Type of vLLM's weights; the policy's when not given.
        tensor_parallel_size: Ranks of a node that share one vLLM over all their GPUs, for a model too large for one.
        gpu_memory_utilization: Share of the GPU's memory for vLLM: weights and cache, beside what the trainer holds.
        max_model_len: Longest prompt and answer together, in tokens; the model's own limit when not given.
        enforce_eager: Whether to do without CUDA graphs: a faster start, slower sampling.
        engine_args: Further arguments of vLLM's ``EngineArgs``, as it names them.
        export_dir: Fast local folder for the weights on their way (``/dev/shm`` if memory allows); when not given,
            ``$SLURM_TMPDIR``, else the system's folder for temporary files.
        start_deadline: Seconds that vLLM may take to start.
        deadline: Seconds without a finished candidate after which vLLM is given up.
        tolerance: Mean difference of a token's log-probability between trainer and vLLM, in nats; when not given,
            what rounding explains (``reset_pl.policy.probe.ROUNDING``).
    """

    def __init__(
        self,
        python: str | None = None,
        dtype: DType | None = None,
        tensor_parallel_size: int = 1,
        gpu_memory_utilization: float = 0.4,
        max_model_len: int | None = None,
        enforce_eager: bool = False,
        engine_args: dict[str, Any] | None = None,
        export_dir: str | None = None,
        start_deadline: float = 900.0,
        deadline: float = 600.0,
        tolerance: float | None = None,
    ) -> None:
        if tensor_parallel_size < 1:
            raise InputError(f"expected VllmSampler.tensor_parallel_size of at least 1, but got {tensor_parallel_size}")
        if not 0 < gpu_memory_utilization <= 1:
            raise InputError(
                f"expected VllmSampler.gpu_memory_utilization above 0 and up to 1, but got {gpu_memory_utilization}"
            )
        self.python = python or sys.executable
        self.dtype = dtype
        self.tensor_parallel_size = tensor_parallel_size
        self.gpu_memory_utilization = gpu_memory_utilization
        self.max_model_len = max_model_len
        self.enforce_eager = enforce_eager
        self.engine_args = engine_args or {}
        self.export_dir = export_dir
        self.start_deadline = start_deadline
        self.deadline = deadline
        self.tolerance = tolerance
        self._encoder: Any = None
        self._place: Path | None = None
        self._engine: Engine | None = None

    def open(self, policy: Any, encoder: Any) -> None:
        """Hand vLLM the weights and prove that it has them; all ranks together.

        Raises:
            InputError: The folder cannot be written, vLLM does not start, or it holds other weights.
        """
        self._encoder = encoder
        try:
            self._open(policy)
        except BaseException:
            self._let_go(keep_log=True)
            raise

    def sample(self, examples: Sequence[Example], plan: Plan) -> Iterable[Candidate]:
        """Draw every candidate of the plan, all in flight together; they come as they finish."""
        assert self._engine is not None, "sample after open"
        requests, meaning = requests_of(examples, plan, self._encoder)
        try:
            for reply in self._engine.ask(requests):
                yield to_candidate(*meaning[reply["id"]], reply["token_ids"], self._encoder.tokenizer)
        except InputError:
            self._let_go(keep_log=True)
            raise

    def close(self) -> None:
        """End vLLM and delete what it was given."""
        self._let_go(keep_log=False)
        self._encoder = None

    # ------------------------------------------------------------------ beginning and end

    def _open(self, policy: Any) -> None:
        tokenizer = self._encoder.tokenizer
        prompts = probe_prompts(min(len(tokenizer), policy.config.vocab_size))
        expected = log_probs(policy, prompts)
        with together():
            self._place = make_place(self.export_dir)
        assert self._place is not None
        me = _Rank(socket.gethostname(), self._place, visible_device(policy.device))
        neighbours = [rank for rank in gather(me) if rank.host == me.host]
        own = neighbours.index(me)
        folder = neighbours[0].place / "policy"
        with together():
            self._check_neighbours(neighbours)
            export_policy(policy, tokenizer, folder, writes=own == 0, dtype=getattr(torch, self._dtype(policy)))
        first = own // self.tensor_parallel_size * self.tensor_parallel_size
        group = neighbours[first : first + self.tensor_parallel_size]
        self._engine = Engine(group[0].place, self.deadline)
        with together():
            if own == first:
                if policy.device.type == "cuda":
                    torch.cuda.empty_cache()  # what the trainer keeps for later would be missing here
                devices = [rank.device for rank in group if rank.device is not None]
                self._engine.start(self.python, self._arguments(policy, folder), devices, self.start_deadline)
        with together():
            if own != first:
                self._engine.connect()
            got = prompt_log_probs(self._engine.ask, prompts)
            tolerance = self.tolerance if self.tolerance is not None else rounding(self._dtype(policy))
            check_hand_over(expected, got, tolerance=tolerance, receiver="vLLM")
        shutil.rmtree(folder, ignore_errors=True)  # each vLLM has read it

    def _check_neighbours(self, neighbours: Sequence[_Rank]) -> None:
        if len(neighbours) % self.tensor_parallel_size:
            raise InputError(
                f"expected the ranks on a node to be a multiple of VllmSampler.tensor_parallel_size "
                f"({self.tensor_parallel_size}), but {neighbours[0].host} has {len(neighbours)}"
            )

    def _dtype(self, policy: Any) -> str:
        return self.dtype or str(policy.dtype).removeprefix("torch.")

    def _arguments(self, policy: Any, folder: Path) -> dict[str, Any]:
        arguments = {
            "model": str(folder),
            "dtype": self._dtype(policy),
            "tensor_parallel_size": self.tensor_parallel_size,
            "gpu_memory_utilization": self.gpu_memory_utilization,
            "max_model_len": self.max_model_len,
            "enforce_eager": self.enforce_eager,
            "enable_prefix_caching": True,
            "skip_tokenizer_init": True,
            "generation_config": "vllm",  # the plan alone says how answers are drawn
            "disable_log_stats": True,
        }
        if policy.device.type == "cpu":
            # vLLM 0.32 winds a seeded request's generator back after part of a prompt, which only a GPU's can do.
            arguments["enable_chunked_prefill"] = False
        return {**arguments, **self.engine_args}

    def _let_go(self, *, keep_log: bool) -> None:
        """End vLLM, at once if it has failed; a failed one's log is kept, and named by the error."""
        if self._engine is not None:
            self._engine.close(**({"grace": 0.0} if keep_log else {}))
            self._engine = None
        if self._place is None:
            return
        if keep_log and (self._place / "vllm.log").exists():
            shutil.rmtree(self._place / "policy", ignore_errors=True)
        else:
            shutil.rmtree(self._place, ignore_errors=True)
        self._place = None
