"""The one exception of cluster/: what happened and what to do, ready to be shown to a user.

Raised by everything in this folder; the command line prints its text and exits with 1.
"""


class ClusterError(Exception):
    """A cluster could not be started, found or stopped; the text says what to do about it."""
