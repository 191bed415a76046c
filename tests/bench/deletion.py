"""The cases in which much goes away: an owner of many dependents, and a namespace full of objects.

Called by `__main__`, as those in `cases`. The first is the garbage collector's work, the second the namespace
controller's (and the API server's, which deletes each collection at one request).
"""

from collections.abc import Iterator
from contextlib import suppress

from tests.bench.cases import WARM, Bench, Phase, measured
from tests.bench.contenders import Contender
from tests.bench.count import counting
from tests.bench.stage import NAMESPACE, Body, Stage, pods
from understudy.errors import AlreadyExists
from understudy.kinds.core import CONFIG_MAPS, NAMESPACES, PODS, SERVICE_ACCOUNTS
from understudy.kinds.meta import Obj
from understudy.kinds.secret import SECRETS

DEPENDENTS, FULL_NAMESPACE = "dependents", "namespace"
_LABEL = {"bench": "dependent"}
_LABELLED = "&labelSelector=bench%3Ddependent"
_FULL = {"bench": "full"}
_ONLY_FULL = "&labelSelector=bench%3Dfull"


async def dependents(bench: Bench, contender: Contender, size: int) -> list[Phase]:
    """A ConfigMap that owns `size` others is deleted in the background, until all of them are gone."""
    stage, check = bench.stage, bench.alive(contender)
    here = CONFIG_MAPS.path(NAMESPACE)
    async with bench.running(contender) as meter, counting(stage.client, check, _LABELLED, here) as count:
        for number in (WARM, size):
            await _own(stage, number)
            await count.at_least(number)
            await meter.settle()
            act, goal = stage.delete("owner", CONFIG_MAPS), count.none_left()
            phase = await measured(DEPENDENTS, contender, number, meter, act, goal)
    return [phase]


async def _own(stage: Stage, number: int) -> None:
    """Make a ConfigMap, and that many which it owns."""
    owner = await stage.client.ask("POST", CONFIG_MAPS.path(NAMESPACE), Obj, {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner.name, "uid": owner.uid}
    await stage.create_all(CONFIG_MAPS, _small("dependent", number, labels=_LABEL, ownerReferences=[reference]))


async def full_namespace(bench: Bench, contender: Contender, size: int) -> list[Phase]:
    """A namespace is deleted, until it is gone: `size` objects, of five two ConfigMaps, two Secrets and a pod."""
    stage, check = bench.stage, bench.alive(contender)
    async with (
        bench.running(contender) as meter,
        counting(stage.client, check, _ONLY_FULL, NAMESPACES.path()) as count,
    ):
        for number in (WARM, size):
            name = f"full-{number}"  # another each time: upstream's queue remembers the last for a while
            await _fill(stage, name, number)
            await count.at_least(1)
            await meter.settle()
            act = stage.client.call("DELETE", NAMESPACES.path(name=name))
            phase = await measured(FULL_NAMESPACE, contender, number, meter, act, count.none_left())
    return [phase]


async def _fill(stage: Stage, name: str, size: int) -> None:
    """Make the namespace, the service account that its pods need, and `size` objects."""
    await stage.client.call("POST", NAMESPACES.path(), {"metadata": {"name": name, "labels": _FULL}})
    with suppress(AlreadyExists):
        await stage.client.call("POST", SERVICE_ACCOUNTS.path(name), {"metadata": {"name": "default"}})
    each = size * 2 // 5
    await stage.create_all(CONFIG_MAPS, _small("map", each), name)
    await stage.create_all(SECRETS, _small("secret", each), name)
    await stage.create_all(PODS, pods(size - 2 * each), name)


def _small(prefix: str, number: int, **metadata: object) -> Iterator[Body]:
    """Bodies of ConfigMaps or Secrets."""
    for one in range(number):
        yield {"metadata": {"name": f"{prefix}-{one}", **metadata}, "data": {"key": "dmFsdWU="}}
