"""One RESET round: sample, judge, select, append. No Lightning in it."""
