"""Arms × seeds: a graph of commands that is run once, restarted anywhere, and summed up in tables."""
