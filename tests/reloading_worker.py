"""``vllm_worker.py`` with a fault: the engine holds older weights and is told to load the policy's in place.

vLLM 0.32 does so without an error, and gets it wrong where input and output embeddings are one tensor.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[1] / "reset_pl" / "sampling" / "vllm_worker.py"


def main() -> None:
    spec = importlib.util.spec_from_file_location("vllm_worker", PATH)
    assert spec is not None
    assert spec.loader is not None
    worker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(worker)
    start_engine = worker.start_engine

    def start_and_reload(arguments: dict[str, Any]) -> Any:
        engine = start_engine({**arguments, "model": os.environ["OLDER_WEIGHTS"]})
        engine.collective_rpc("reload_weights", kwargs={"weights_path": arguments["model"]})
        return engine

    worker.start_engine = start_and_reload
    worker.main()


if __name__ == "__main__":
    main()
