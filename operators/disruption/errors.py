"""Why the state of a budget cannot be computed: raised by `expected` and `scale`, told in its status by `status`."""


class NotCountable(Exception):
    """Nobody can tell how many Pods there should be; the message is upstream's."""


class NotServed(NotCountable):
    """The kind of a Pod's controller is not known to be served: it may be, once discovery is read anew."""
