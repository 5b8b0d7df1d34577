"""vLLM in a process of its own: prompts come in as token ids over a Unix socket, answers go back as they finish.

``reset_pl.sampling.engine`` runs this file by its path with the Python that has vLLM, so it imports nothing but vLLM
and the standard library. Both sides write one JSON object a line::

    → {"requests": [{"id": "…", "prompt": [1, 15, …], "parameters": {"temperature": 0.3, "seed": 7, …}}, …]}
    ← {"id": "…", "token_ids": [27, …], "prompt_log_probs": [-3.1, …] or null}
    ← {"id": "…", "error": "why it was not taken"}
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import Any

GRACE_SECONDS = 10.0
"""Time to end in good order once the process that started this one has let go."""
Mail = tuple[socket.socket, dict[str, Any]]
"""A message and the connection that it came over; none in its place when it is time to end."""


def main() -> None:
    """Load the engine, then serve until standard input ends."""
    settings = json.loads(sys.argv[1])
    inbox: queue.SimpleQueue[Mail | None] = queue.SimpleQueue()
    threading.Thread(target=_end_with_parent, args=(inbox,), daemon=True).start()
    # Slurm signals every process of a job; what they mean is for the trainer to say, which finishes its chunk first.
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    engine = start_engine(settings["engine"])
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(settings["socket"])
    listener.listen()  # whoever connects from now on knows that the weights are loaded
    try:
        Service(engine, inbox).run(listener)
    except Exception:
        traceback.print_exc()
        os._exit(1)
    with suppress(Exception):
        engine.engine_core.shutdown()
    os.killpg(os.getpid(), signal.SIGKILL)  # leaves no child, and taking the interpreter down would take seconds


def start_engine(arguments: dict[str, Any]) -> Any:
    """The engine, in this process: which requests share a step then follows from the requests alone."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    from vllm import EngineArgs, LLMEngine

    return LLMEngine.from_engine_args(EngineArgs(**arguments))


def _end_with_parent(inbox: queue.SimpleQueue[Mail | None]) -> None:
    """Standard input ends when the process that started this one lets go or dies: end too, with all children."""
    os.read(0, 1)
    inbox.put(None)
    time.sleep(GRACE_SECONDS)
    os.killpg(os.getpid(), signal.SIGKILL)


class Service:
    """Takes requests from any number of connections between the engine's steps."""

    def __init__(self, engine: Any, inbox: queue.SimpleQueue[Mail | None]) -> None:
        self.engine = engine
        self._inbox = inbox
        self._waiting: dict[str, tuple[socket.socket, str]] = {}
        self._count = 0

    def run(self, listener: socket.socket) -> None:
        """Serve until it is time to end."""
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        while True:
            while not self._waiting or not self._inbox.empty():
                mail = self._inbox.get()
                if mail is None:
                    return
                self._take(*mail)
            for output in self.engine.step():
                self._reply(output)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        for line in connection.makefile("rb"):
            self._inbox.put((connection, json.loads(line)))

    def _take(self, connection: socket.socket, message: dict[str, Any]) -> None:
        from vllm import SamplingParams
        from vllm.exceptions import VLLMError
        from vllm.sampling_params import RequestOutputKind

        if not self._waiting:
            self.engine.reset_prefix_cache()  # what was cached before could change the last bits, after a restart too
        for request in message["requests"]:
            self._count += 1
            number = str(self._count)
            try:
                parameters = SamplingParams(
                    **request["parameters"],
                    ignore_eos=True,  # the model's files may name other ends than the tokenizer's, which is given
                    detokenize=False,
                    output_kind=RequestOutputKind.FINAL_ONLY,
                )
                self.engine.add_request(number, {"prompt_token_ids": request["prompt"]}, parameters)
            except (ValueError, VLLMError) as error:
                _send(connection, {"id": request["id"], "error": str(error)})
            else:
                self._waiting[number] = connection, request["id"]

    def _reply(self, output: Any) -> None:
        connection, name = self._waiting.pop(output.request_id)
        rows = output.prompt_logprobs
        log_probs = rows and [
            row[token].logprob for row, token in zip(rows[1:], output.prompt_token_ids[1:], strict=True)
        ]
        token_ids = list(output.outputs[0].token_ids)
        _send(connection, {"id": name, "token_ids": token_ids, "prompt_log_probs": log_probs})


def _send(connection: socket.socket, reply: dict[str, Any]) -> None:
    with suppress(OSError):  # whoever asked has gone
        connection.sendall(json.dumps(reply).encode() + b"\n")


if __name__ == "__main__":
    main()
