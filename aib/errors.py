"""The one exception that users see as a line."""


class AibError(Exception):
    """Something the user can act on; its message is the one line that is shown."""
