"""Every controller there is, in the order `understudy controllers` prints them: importing a module registers it."""

from understudy.operators import (
    deployment,  # noqa: F401
    endpoints,  # noqa: F401
    endpointslice,  # noqa: F401
    garbage,  # noqa: F401
    namespace,  # noqa: F401
    nodelifecycle,  # noqa: F401
    replicaset,  # noqa: F401
    replicationcontroller,  # noqa: F401
    rootca,  # noqa: F401
    serviceaccount,  # noqa: F401
)
