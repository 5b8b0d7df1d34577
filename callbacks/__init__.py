"""Lightning callbacks: when, on which rank and with what state; the work itself is done by ``reset_pl``."""
