# quiet
"""Nothing but the import."""
import gossamer  # noqa: F401
import stackless  # noqa: F401
