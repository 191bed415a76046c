"""Every controller there is, in the order `understudy controllers` prints them: importing a module registers it."""

from understudy.operators import deployment  # noqa: F401
from understudy.operators import replicaset  # noqa: F401
from understudy.operators import replicationcontroller  # noqa: F401
from understudy.operators import endpointslice  # noqa: F401
from understudy.operators import endpoints  # noqa: F401
from understudy.operators import namespace  # noqa: F401
from understudy.operators import serviceaccount  # noqa: F401
from understudy.operators import rootca  # noqa: F401
from understudy.operators import nodelifecycle  # noqa: F401
