"""Why the state of a budget cannot be computed: raised by `expected` and `scale`, told in its status by `status`."""


class NotCountable(Exception):
    """Nobody can tell how many Pods there should be; the message is upstream's."""
