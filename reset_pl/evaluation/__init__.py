"""A checkpoint → scores with intervals, tables, judge health."""
