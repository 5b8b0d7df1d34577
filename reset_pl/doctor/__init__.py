"""Can this machine run this configuration? Each check is a line, a red one says how to mend it."""
