"""The miniature world: made-up data and tiny models, so that all of it runs offline."""

from pathlib import Path

MODELS = Path(__file__).parent / "models"
"""Where the shipped models lie: ``base``, ``chat`` and ``nli``."""
