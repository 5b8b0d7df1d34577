"""Candidate → Verdict; the judges delegate their maths to ``reset_pl.metrics``."""
