"""RESET: rejection sampling for continued self-instruction tuning (arXiv 2407.21417)."""

__version__ = "0.1.0"
