"""A run directory → ``report.html``, one self-contained page."""
