"""What the libraries say, less what does not concern the user."""

from __future__ import annotations

import logging
import os
import warnings

import torch


def quieten() -> None:
    """Keep what concerns the user; drop advice on hardware that the run does not use."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries; what comes of them is said in a line
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else DeepSpeed says that it found nothing better
    for message in (
        ".*does not have many workers.*",
        ".*is smaller than the logging interval.*",
        ".*Total length of `list` across ranks is zero.*",  # no validation sets
        ".*LeafSpec.*",
        ".*`srun` command is available.*",  # on a login node
        ".*`torch.distributed.*is deprecated.*",  # DeepSpeed's calls
        ".*When saving the DeepSpeed Stage 3 checkpoint.*",
    ):
        warnings.filterwarnings("ignore", message=message)
