"""Lightning callbacks: when, on which rank and with what state; the work itself is done by ``reset_pl``."""

from callbacks.checkpoint_evaluation import CheckpointEvaluation
from callbacks.export_hf import ExportPolicy
from callbacks.preemption import Preemption
from callbacks.reset_rounds import ResetRounds
from callbacks.round_gate import RoundGate
from callbacks.stage_checkpoint import StageCheckpoint
from callbacks.training_record import TrainingRecord

__all__ = [
    "CheckpointEvaluation",
    "ExportPolicy",
    "Preemption",
    "ResetRounds",
    "RoundGate",
    "StageCheckpoint",
    "TrainingRecord",
]
