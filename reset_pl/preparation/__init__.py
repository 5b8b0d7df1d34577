"""``python -m reset_pl prepare``: data sets read once, merged, checked against evaluation and written to be mapped."""
