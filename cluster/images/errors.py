"""What can go wrong when a stand-in image is made, told so that the reader can act.

Raised by everything in this folder; callers show its text and exit with 1.
"""

from understudy.cluster.errors import ClusterError


class ImageError(ClusterError):
    """An image could not be made, loaded or saved; the text says why and what to do."""
