"""Who keeps the addresses of Services: kube-proxy or ours. Neither goes before the other has taken its place. Pure.

Both may be on a node at once: ours translates first, kube-proxy's rules then find nothing left to do. An add-on of the
ControlPlane (`addons`). What ours does on each node when it comes and goes is in `proxy.service.succession`.
"""

from understudy.operators.custom.addons.addon import Addon, Found, Verdict, Write
from understudy.takeover.crew import Crew, selecting
from understudy.takeover.proxies import KUBE_PROXY, OURS, crews
from understudy.takeover.seen import Leader

READS = {"ours": OURS, "kube-proxy": KUBE_PROXY}


def decide(wanted: bool, found: Found) -> Verdict:
    """The next step towards ours (`wanted`) or kube-proxy."""
    ours, theirs = crews(found["ours"], found["kube-proxy"])
    return _take(ours, theirs) if wanted else _give_back(ours, theirs)


def _take(ours: Crew | None, theirs: Crew | None) -> Verdict:
    if ours is None:
        missing = "there is no DaemonSet of the service proxy: install the chart with serviceProxy.enabled=true"
        return _verdict(ours, theirs, blocked=("NotInstalled", missing))
    if ours.aside:
        back = _ask(ours, False, "the service proxy is asked for")
        return _verdict(ours, theirs, back, moving=("TakingOver", "the service proxy starts on every node"))
    if not ours.serves_for(theirs) and (theirs is None or not theirs.gone):
        waits = f"the service proxy is ready on {ours.ready} of {ours.desired} nodes"
        return _verdict(ours, theirs, moving=("TakingOver", waits))
    if theirs is not None and not theirs.aside:
        go = _ask(theirs, True, "the service proxy is ready on every node")
        return _verdict(ours, theirs, go, moving=("TakingOver", "kube-proxy is asked to stand aside"))
    if theirs is not None and not theirs.gone:
        return _verdict(ours, theirs, moving=("TakingOver", "pods of kube-proxy are still ending"))
    return _verdict(ours, theirs)


def _give_back(ours: Crew | None, theirs: Crew | None) -> Verdict:
    if theirs is not None and theirs.aside:
        back = _ask(theirs, False, "the service proxy is not asked for")
        return _verdict(ours, theirs, back, moving=("Releasing", "kube-proxy starts on every node"))
    if ours is None or ours.gone:
        return _verdict(ours, theirs)
    if theirs is not None and not theirs.serves_for(ours) and not ours.aside:
        waits = f"kube-proxy is ready on {theirs.ready} of {theirs.desired} nodes; ours stays until then"
        return _verdict(ours, theirs, moving=("Releasing", waits))
    if not ours.aside:
        go = _ask(ours, True, "the service proxy is not asked for" + (", and kube-proxy is there" if theirs else ""))
        return _verdict(ours, theirs, go, moving=("Releasing", "the service proxy is asked to stand aside"))
    return _verdict(ours, theirs, moving=("Releasing", "the service proxy takes its rules away"))


def _verdict(
    ours: Crew | None,
    theirs: Crew | None,
    *writes: Write,
    blocked: tuple[str, str] = ("", ""),
    moving: tuple[str, str] = ("", ""),
) -> Verdict:
    ready, desired = (ours.ready, ours.desired) if ours is not None else (0, 0)
    return Verdict(_leader(ours, theirs), ready, desired, writes, blocked, moving)


def _ask(crew: Crew, aside: bool, why: str) -> Write:
    return Write("PATCH", crew.path, selecting(aside=aside), why)


def _leader(ours: Crew | None, theirs: Crew | None) -> Leader:
    """Kube-proxy as long as it is there at all."""
    if theirs is not None and not theirs.aside:
        return "upstream"
    return "understudy" if ours is not None and not ours.aside and ours.ready else "none"


SERVICE_PROXY = Addon(
    "serviceProxy",
    READS,
    decide,
    (
        {"apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": ["get", "list"]},
        {
            "apiGroups": ["apps"],
            "resources": ["daemonsets"],
            "resourceNames": ["kube-proxy", "understudy-service-proxy"],
            "verbs": ["patch"],
        },
    ),
)
