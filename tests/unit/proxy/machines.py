"""A machine that exists only in memory, and Nodes, for the tests of the pod network."""

from collections.abc import Callable, Sequence

from tests.unit.operators.decisions import make
from understudy.kinds.core import NODES, Node
from understudy.proxy.network.host import HostError
from understudy.proxy.network.routes import Plan, Refusal, Route


def node(name: str, cidrs: Sequence[str] = (), addresses: Sequence[str] = (), unavailable: bool = False) -> Node:
    """A Node with these pod CIDRs and InternalIPs."""
    spec = {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {}
    hostname = {"type": "Hostname", "address": name}
    internal = [{"type": "InternalIP", "address": address} for address in addresses]
    conditions = [{"type": "NetworkUnavailable", "status": "True", "reason": "NoRouteCreated"}] if unavailable else []
    return make(NODES, name, spec=spec, status={"addresses": [hostname, *internal], "conditions": conditions})


class Machine:
    """A `Host`. `written` is what was changed, in order; `broken` fails everything; `deaf` gateways are refused."""

    def __init__(self) -> None:
        self.held: set[Route] = set()
        self.table = ""
        self.mtus = {"172.18.0.2": 1450}
        self.forwards = {False: False, True: False}
        self.locked = False
        self.broken = False
        self.deaf: set[str] = set()
        self.written: list[str] = []
        self.lost: Callable[[], None] | None = None
        self.closed = False

    def listen(self, lost: Callable[[], None]) -> None:
        self.lost = lost

    async def mtu(self, addresses: Sequence[str]) -> int | None:
        return next((self.mtus[address] for address in addresses if address in self.mtus), None)

    async def routes(self) -> Sequence[Route]:
        if self.broken:
            raise HostError("the kernel is broken")
        return list(self.held)

    async def reroute(self, plan: Plan) -> Sequence[Refusal]:
        refused = [Refusal(route, "nobody there") for route in plan.add if route.gateway in self.deaf]
        self.held |= set(plan.add) - {refusal.route for refusal in refused}
        self.held -= set(plan.drop)
        self.written += [f"add {route}" for route in plan.add] + [f"drop {route}" for route in plan.drop]
        return refused

    async def rules(self, table: str) -> str:
        return f"table {table}: {self.table}" if self.table else ""

    async def load(self, text: str) -> None:
        self.table = "" if text.startswith("delete") else text
        self.written.append("rules")

    async def forward(self, *, ipv6: bool) -> bool:
        if self.locked and not self.forwards[ipv6]:
            raise HostError("packets are not forwarded")
        changed, self.forwards[ipv6] = not self.forwards[ipv6], True
        return changed

    async def close(self) -> None:
        self.closed = True
