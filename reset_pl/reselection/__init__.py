"""Selecting from a finished round again: other weights, thresholds and selectors, nothing drawn or judged."""
