"""Stands in for ``vllm_worker.py`` where a test needs one that dies, hangs or starts in no time; the socket is real.

It behaves as the engine argument ``behaves`` says.
"""
# ruff: noqa: T201

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path


def serve(settings: dict, behaves: str) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(settings["socket"])
    listener.listen()
    connection, _ = listener.accept()
    if behaves == "deaf":
        time.sleep(600)
    for line in connection.makefile("rb"):
        requests = json.loads(line)["requests"]
        if behaves == "refuses":
            reply = {"id": requests[0]["id"], "error": "the prompt is too long"}
            connection.sendall(json.dumps(reply).encode() + b"\n")
        for request in requests[: 2 if behaves != "answers" else None]:
            reply = {"id": request["id"], "token_ids": request["prompt"][::-1], "prompt_log_probs": None}
            connection.sendall(json.dumps({**reply, "id": "of another call"}).encode() + b"\n")
            connection.sendall(json.dumps(reply).encode() + b"\n")
        if behaves == "dies":
            print("my last words", flush=True)
            os._exit(3)


def main() -> None:
    settings = json.loads(sys.argv[1])
    behaves = settings["engine"]["behaves"]
    print(f"I am the vLLM that {behaves}", flush=True)
    if behaves == "never starts":
        time.sleep(600)
    elif behaves == "cannot start":
        sys.exit("ModuleNotFoundError: No module named 'vllm'")
    elif behaves == "ends with its parent":  # the real worker's code, around no engine
        path = Path(__file__).parents[2] / "reset_pl" / "sampling" / "vllm_worker.py"
        spec = importlib.util.spec_from_file_location("vllm_worker", path)
        worker = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(worker)
        worker.start_engine = lambda arguments: None
        worker.GRACE_SECONDS = 0.2
        child = subprocess.Popen(["sleep", "600"])  # a tensor-parallel one has children
        print(f"child {child.pid}", flush=True)
        worker.main()
    else:
        serve(settings, behaves)


if __name__ == "__main__":
    main()
