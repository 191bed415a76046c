"""All that a decision is made of: nodes and pods, what surrounds them, the profiles, and who decides by them.

`loop` keeps one in step with the server and acts on what it says; `simulate` makes one to ask what would be. No I/O.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from understudy.kinds.kind import Kind
from understudy.scheduler.budgets import Budgets
from understudy.scheduler.cache import Cache
from understudy.scheduler.columns import Columns
from understudy.scheduler.cycle import Cycle
from understudy.scheduler.framework import Handle
from understudy.scheduler.held import Held
from understudy.scheduler.kinds import BUDGETS, REPLICA_SETS, REPLICATION_CONTROLLERS, SERVICES, STATEFUL_SETS, Pod
from understudy.scheduler.nominations import Nominations
from understudy.scheduler.preemption import Preemption
from understudy.scheduler.profiles import Profiles
from understudy.scheduler.registry import PLUGINS, Entry, reads
from understudy.scheduler.shape import usage_of
from understudy.scheduler.shapes import Shapes
from understudy.scheduler.surroundings import Surroundings
from understudy.scheduler.terms import badge_of
from understudy.state.store import Hook, Store
from understudy.state.view import View


class State:
    """`names` are the schedulerNames served; `stores` hold what plugins read, to be filled by watches."""

    def __init__(self, names: Collection[str], plugins: Mapping[str, Entry] = PLUGINS) -> None:
        self.columns = Columns()
        self.cache = Cache(self.columns)
        self.nominations = Nominations()
        self.budgets = Budgets()
        self.surroundings = Surroundings(self.columns.crowd)
        self.held = Held()
        self.stores: dict[str, Store[Any]] = {kind.id: Store(kind) for kind in reads(plugins)}
        self.handle = Handle(self.columns, self.cache, View(self.stores), self.held)
        self.profiles = Profiles(names, self.handle, plugins)
        self.shapes = Shapes(self.surroundings, profile_of=self.profiles.of)
        self.cycle = Cycle(self.columns, self.nominations)
        self.preemption = Preemption(self.columns, self.cache, self.nominations, self.budgets)

    def feeds(self) -> list[tuple[Kind[Any], Hook[Any]]]:
        """Who is to be told of Services, budgets and the owners of pods; namespaces are told apart."""
        owners = (REPLICATION_CONTROLLERS, REPLICA_SETS, STATEFUL_SETS)
        saw_owner = self.surroundings.saw_owner
        return [
            (SERVICES, self.surroundings.saw_service),
            (BUDGETS, self.budgets.saw),
            *((kind, partial(saw_owner, kind.id)) for kind in owners),
        ]

    def settle(self, pod: Pod) -> None:
        """A pod that is on a node already."""
        self.cache.place(pod, usage_of(pod), badge_of(pod), pod.spec.nodeName)
