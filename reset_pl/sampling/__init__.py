"""Example → Candidates."""
