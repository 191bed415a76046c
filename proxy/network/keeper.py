"""Keeps one node's network as its Nodes say: looks, compares, has the difference applied. One pass at a time.

Order matters: masquerade first, so that no pod's first packet is rewritten wrongly, then routes, and the CNI
configuration last, since with it the node takes pods. Run by `proxy.agent`; the packet tests run it by themselves.
Answers to the main loop of kindnetd (main.go).
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from understudy.kinds.core import Node
from understudy.proxy.network import conflist, files, masquerade, metrics
from understudy.proxy.network.desired import Network, collapsed, network_of
from understudy.proxy.network.host import Host, HostError
from understudy.proxy.network.routes import Plan, Refusal, Route, plan

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds after which the node is looked at again though nothing was heard (kindnetd's reconcile period)."""
GATHER = 0.5
"""Seconds that changes are let come together."""
PAUSES = (1.0, 30.0)
"""Seconds between tries after a failure: the first, the longest."""


class Keeper:
    """`turn` does one pass, `rest` waits until the next is due; `wake` makes it due. `nodes` answers all Nodes."""

    def __init__(
        self,
        host: Host,
        name: str,
        nodes: Callable[[], Iterable[Node]],
        folder: Path,
        cluster_cidrs: Sequence[str] = (),
        *,
        every: float = EVERY,
    ) -> None:
        self.network: Network | None = None
        self.kept = asyncio.Event()
        """Set once a pass has made the network as this node's Node says."""
        self._host = host
        self._name = name
        self._nodes = nodes
        self._conflist = folder / conflist.NAME
        self._cluster_cidrs = cluster_cidrs
        self._every = every
        self._woken = asyncio.Event()
        self._pause = PAUSES[0]
        self._troubles: tuple[str, ...] = ()
        self._rules = ("", "")
        """The text that was loaded last, and how the kernel listed it then."""
        self._routed: frozenset[Route] = frozenset()
        self._written = ""

    def wake(self) -> None:
        self._woken.set()

    async def turn(self) -> float:
        """One pass; answers the seconds until the next."""
        try:
            network = await self._keep()
        except HostError as error:
            log.error("%s; trying again", error)
        except Exception:
            log.exception("the network could not be kept: this is a bug; trying again")
        else:
            metrics.KEPT.inc()
            self._pause = PAUSES[0]
            if network is not None:
                self.kept.set()
            return self._every
        metrics.FAILED.inc()
        pause, self._pause = self._pause, min(self._pause * 2, PAUSES[1])
        return pause

    async def rest(self, seconds: float) -> None:
        """Wait that long or until woken, and then a little for what else changes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
            await asyncio.sleep(GATHER)
        self._woken.clear()

    def state(self) -> dict[str, Any]:
        """For the debug page."""
        network = asdict(self.network) | {"routes": sorted(map(str, self.network.routes))} if self.network else None
        return {"node": self._name, "network": network, "troubles": self._troubles, "conflist": str(self._conflist)}

    async def _keep(self) -> Network | None:
        network = network_of(self._name, self._nodes(), self._cluster_cidrs)
        if network is None:
            self._report((f"there is no Node {self._name}: its network is left as it is until there is",))
            return None
        self.network = network
        await self._keep_rules(network)
        refused = await self._keep_routes(network)
        unforwarded = await self._keep_forwarding(network)
        mtu = await self._host.mtu(network.addresses)
        self._keep_conflist(network, mtu)
        self._report((*network.left_out, *_said(refused), *unforwarded, *self._about_conflist(network, mtu)))
        return network

    async def _keep_rules(self, network: Network) -> None:
        text = masquerade.render(collapsed(network.pod_cidrs), network.cluster)
        loaded, listed = self._rules
        same = text == loaded
        if same and await self._host.rules(masquerade.TABLE) == listed:
            return
        if same:
            self._repaired("rules", "the rules for masquerading were changed by somebody else: loading them again")
        await self._host.load(text)
        self._rules = (text, await self._host.rules(masquerade.TABLE))

    async def _keep_routes(self, network: Network) -> Sequence[Refusal]:
        todo = plan(network.routes, await self._host.routes())
        lost = self._routed & set(todo.add)
        if lost:
            self._repaired("routes", f"{len(lost)} of our routes were removed by somebody else: adding them again")
        refused = await self._host.reroute(todo) if todo != Plan((), ()) else ()
        missing = {refusal.route for refusal in refused} & network.routes
        self._routed = network.routes - missing
        metrics.REACHED.set(len(self._routed))
        metrics.MISSING.set(len(missing) + len(network.left_out))
        _tell("added", set(todo.add) - missing - lost)
        _tell("removed", todo.drop)
        return refused

    async def _keep_forwarding(self, network: Network) -> Sequence[str]:
        """Forward packets; that it cannot be changed from here is for the administrator, and no reason to stop."""
        troubles = []
        for ipv6 in sorted({":" in cidr for cidr in network.pod_cidrs}):
            try:
                if await self._host.forward(ipv6=ipv6):
                    log.info("forwarding of IPv%d is switched on", 6 if ipv6 else 4)
            except HostError as error:
                troubles.append(str(error))
        return troubles

    def _keep_conflist(self, network: Network, mtu: int | None) -> None:
        """Without a pod CIDR no file: what addresses it would hand out may be another node's by now."""
        if not network.pod_cidrs:
            if files.remove(self._conflist):
                log.warning("the node has lost its pod CIDR: %s is removed, no pod starts here", self._conflist)
            self._written = ""
            return
        text = conflist.render(network.pod_cidrs, mtu)
        if not files.write(self._conflist, text):
            self._written = text
            return
        if text == self._written:
            self._repaired("files", f"{self._conflist} was changed by somebody else: written again")
        else:
            log.info("%s is written for %s", self._conflist, ", ".join(network.pod_cidrs))
        self._written = text

    def _about_conflist(self, network: Network, mtu: int | None) -> Iterable[str]:
        if not network.pod_cidrs:
            yield f"the Node {self._name} has no pod CIDR yet: a node-ipam-controller must give it one"
            return
        if mtu is None:
            addresses = ", ".join(network.addresses) or "none"
            yield f"no interface has the node's InternalIP ({addresses}): the MTU of pods is left to the kernel"
        others = files.before(self._conflist)
        if others:
            yield f"the container runtime prefers {', '.join(others)} to {conflist.NAME}: remove what is not in use"

    def _report(self, troubles: Collection[str]) -> None:
        """Each trouble when it comes and when it goes, not at every pass."""
        for trouble in dict.fromkeys(troubles):
            if trouble not in self._troubles:
                log.warning("%s", trouble)
        for trouble in self._troubles:
            if trouble not in troubles:
                log.info("no longer: %s", trouble)
        self._troubles = tuple(dict.fromkeys(troubles))

    def _repaired(self, what: str, said: str) -> None:
        metrics.REPAIRS.labels(what).inc()
        log.warning("%s", said)


async def clean(host: Host, folder: Path) -> None:
    """Take everything of ours off the node, for another pod network to come: its pods cannot be reached any more.

    Not done when the agent ends: an update of it must not cut off the pods. Raises HostError.
    """
    files.remove(folder / conflist.NAME)
    await host.reroute(plan((), await host.routes()))
    if await host.rules(masquerade.TABLE):
        await host.load(f"delete table inet {masquerade.TABLE}\n")


def _said(refused: Iterable[Refusal]) -> list[str]:
    return [f"no route to {refusal.route}: {refusal.cause}" for refusal in refused]


def _tell(done: str, routes: Collection[Route]) -> None:
    if routes:
        some = ", ".join(map(str, sorted(routes)[:3]))
        log.info("%d routes %s: %s%s", len(routes), done, some, ", …" if len(routes) > 3 else "")
