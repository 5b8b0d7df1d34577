"""A checkpoint → tables and a report."""
