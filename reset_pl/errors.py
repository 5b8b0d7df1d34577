"""Errors that a user can mend."""


class InputError(ValueError):
    """Bad input: says what was expected, what came and how to fix it, in the user's own flag names.

    The command line prints it as one line and exits with status 2; a traceback is never shown for it.
    """
