"""What a SchedulerProfile's conditions say: whether it makes sense, and whether the scheduler goes by it. Pure.

`Accepted` is found out here, with the plugins the scheduler is made with; plugins of users' own are known to their
scheduler alone, so `InForce` repeats what that says in `status.scheduler`. `schedulerprofile` writes it. Conditions
follow the API conventions (sig-architecture/api-conventions.md, metav1.Condition).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from understudy.scheduler.registry import PLUGINS
from understudy.scheduler.state import State
from understudy.values import timestamp

Object = dict[str, Any]


def decide(body: Mapping[str, Any], now: datetime) -> Object | None:
    """The part of the status that is ours, or None if it says all that already."""
    old = body.get("status") or {}
    generation = body["metadata"].get("generation", 0)
    found = [_accepted(body), _in_force(generation, old.get("scheduler") or {})]
    before = {each["type"]: each for each in old.get("conditions") or ()}
    dated = [each | {"lastTransitionTime": _since(each, before.get(each["type"]), now)} for each in found]
    status = {"observedGeneration": generation, "conditions": dated}
    return None if all(old.get(key) == value for key, value in status.items()) else status


def fault(name: str, spec: Mapping[str, Any]) -> str:
    """What is wrong with a spec, "" if nothing is; plugins that are not ours are left to their scheduler."""
    try:
        State([]).profiles.set(name, _ours(spec))
    except ValueError as error:
        return str(error)
    return ""


def unknown(spec: Mapping[str, Any]) -> list[str]:
    """The plugins it names that are not ours."""
    chosen = [each.get("name", "") for each in _part(spec, "plugins").get("enabled") or ()]
    named = [*chosen, *(_part(spec, "plugins").get("disabled") or ()), *_part(spec, "arguments")]
    return [name for name in dict.fromkeys(named) if name not in PLUGINS and name != "*"]


def _ours(spec: Mapping[str, Any]) -> Object:
    """The spec without what is for plugins that are not ours."""
    foreign = set(unknown(spec))
    choice = _part(spec, "plugins")
    enabled = [each for each in choice.get("enabled") or () if each.get("name") not in foreign]
    disabled = [name for name in choice.get("disabled") or () if name not in foreign]
    arguments = {name: given for name, given in _part(spec, "arguments").items() if name not in foreign}
    return {**spec, "plugins": {**choice, "enabled": enabled, "disabled": disabled}, "arguments": arguments}


def _part(spec: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = spec.get(name) or {}
    return found


def _accepted(body: Mapping[str, Any]) -> Object:
    spec = body.get("spec") or {}
    if why := fault(body["metadata"]["name"], spec):
        return _condition("Accepted", "False", "Invalid", why)
    if foreign := unknown(spec):
        said = f"it makes sense as far as our plugins go; {', '.join(foreign)} must be known to the scheduler"
        return _condition("Accepted", "True", "Valid", said)
    return _condition("Accepted", "True", "Valid", "it makes sense")


def _in_force(generation: int, told: Mapping[str, Any]) -> Object:
    held = told.get("generationInForce", 0)
    if error := told.get("error"):
        standing = f"generation {held} stays in force" if held else "nothing is in force"
        return _condition("InForce", "False", "NotApplied", f"{error}; {standing}")
    if not told:
        return _condition("InForce", "Unknown", "NoScheduler", "no scheduler of ours has spoken of it yet")
    if held < generation:
        return _condition("InForce", "Unknown", "Applying", f"the scheduler goes by generation {held}")
    return _condition("InForce", "True", "Applied", f"pods are scheduled by generation {held}")


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _since(condition: Object, before: Mapping[str, Any] | None, now: datetime) -> str:
    if before is not None and before["status"] == condition["status"]:
        return str(before["lastTransitionTime"])
    return timestamp.format(now)
