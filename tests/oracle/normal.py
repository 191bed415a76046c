"""Objects made comparable: everything two clusters may name differently gets the name of what it stands for.

Called by `__main__` with what `stand` saw. Pure but for the memory in `Names`: an owner that is gone is still known.
Deliberately left alone: generations, observedGenerations, condition texts, annotations, whatever a user could read.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Object = dict[str, Any]
Snapshot = Mapping[str, list[Object]]
"""Kind to objects."""

HASH = "pod-template-hash"
REVISION, REVISION_HASH = "controller-revision-hash", "controller.kubernetes.io/hash"
"""The label of a DaemonSet's revisions, and of a StatefulSet's."""
UID = ("uid", "controller-uid")
"""Keys, or ends of keys, whose values are uids: Jobs label their pods with theirs."""
OURS_TOO = (
    "controllermanager",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "job-controller",
    "statefulset-controller",
    "ttl-after-finished-controller",
    "attachdetach-controller",
    "persistentvolume-controller",
    "resource_claim",
    "volume_expand",
    "replicaset-controller",
    "replication-controller",
    "endpoint-controller",
    "endpoint-slice-controller",
    "endpoint-slice-mirroring-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "node-controller",
    "serviceaccount-controller",
    "root-ca-cert-publisher",
)
"""Sources of Events that are compared; those of schedulers and kubelets are the same on both sides or nobody's."""
_RETRIED = frozenset(
    {
        "ExternalProvisioning",
        "FailedBinding",
        "FailedCreate",
        "FailedToUpdateEndpoint",
        "InvalidSchedule",
        "NoPods",
        "ProvisioningFailed",
        "ReplicaSetCreateError",
        "TooManyAddressesToMirror",
        "TopologyAwareHintsDisabled",
        "UnexpectedJob",
        "UnmanagedPods",
        "VolumeMismatch",
        "WaitForFirstConsumer",
        "WaitForPodScheduled",
    }
)
"""How often these are told depends on how often the object was looked at, not on what happened."""
_UNSAID = frozenset({"uid", "resourceVersion", "managedFields", "selfLink", "creationTimestamp"})
_TEXTS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "TIME"),
    (re.compile(r"\b10\.(19[2-9]|2\d\d)\.\d+\.\d+\b"), "POD-IP"),
    (re.compile(r"\b10\.1[23]\d\.\d+\.\d+\b"), "NODE-IP"),
    (re.compile(r"kube-api-access-[a-z0-9]{5}"), "kube-api-access-*"),
    (re.compile(r"\bnode-\d+\b"), "NODE"),
    (re.compile(r"\bzone-[abc]\b"), "ZONE"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UID"),
    (re.compile(r"\b([A-Z][A-Za-z]*)\d{3,9}(?=[.,)])"), r"\1"),  # a type of an expression, numbered at random
    (re.compile(r"-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----\n?", re.DOTALL), "CERTIFICATE"),
)


class Names:
    """One side's generated names and uids, learned from everything seen so far, and what they stand for."""

    def __init__(self) -> None:
        self._uids: dict[str, str] = {}
        self._words: dict[str, str] = {}

    def learn(self, seen: Snapshot) -> None:
        """Remember hashes first: other names contain them."""
        for each in (*seen.get("ReplicaSet", ()), *seen.get("Pod", ())):
            self._learn_hash(each)
        for each in seen.get("ControllerRevision", ()):
            self._learn_revision(each)
        for kind, objects in seen.items():
            for each in objects:
                self._learn_name(kind, each["metadata"])

    def _learn_hash(self, each: Object) -> None:
        found = each["metadata"].get("labels", {}).get(HASH)
        template = each["spec"].get("template")
        if found and template and found not in self._words:
            bare = json.dumps(template, sort_keys=True).replace(found, "")
            self._words[found] = "h" + hashlib.sha256(self.words(bare).encode()).hexdigest()[:5]

    def _learn_revision(self, each: Object) -> None:
        labels = each["metadata"].get("labels", {})
        found = labels.get(REVISION) or labels.get(REVISION_HASH)
        if found and found not in self._words:
            bare = json.dumps(each.get("data"), sort_keys=True)
            self._words[found] = "r" + hashlib.sha256(self.words(bare).encode()).hexdigest()[:5]

    def _learn_name(self, kind: str, meta: Object) -> None:
        prefix = meta.get("generateName")
        if prefix and meta["name"] not in self._words:
            self._words[meta["name"]] = self.words(prefix) + "*"
        self._uids[meta["uid"]] = f"{kind}/{self.words(meta['name'])}"

    def words(self, text: str) -> str:
        """Replace what is generated in a text."""
        for pattern, word in _TEXTS:
            text = pattern.sub(word, text)
        return re.sub(r"[a-z0-9]+(-[a-z0-9]+)*", self._word, text)

    def _word(self, match: re.Match[str]) -> str:
        whole = match[0]
        if whole in self._words:
            return self._words[whole]
        return "-".join(self._words.get(part, part) for part in whole.split("-"))

    def uid(self, uid: str) -> str:
        return self._uids.get(uid, "of something never seen")

    def value(self, given: Any) -> Any:
        """The same value with nothing generated in it; keys are labels and fields, so they stay."""
        if isinstance(given, dict):
            return {key: self.uid(each) if key.endswith(UID) else self.value(each) for key, each in given.items()}
        if isinstance(given, list):
            return [self.value(each) for each in given]
        return self.words(given) if isinstance(given, str) else given


def normalised(seen: Snapshot, names: Names) -> dict[str, list[Object]]:
    """Each kind's objects without what must differ, sorted."""
    names.learn(seen)
    done = {kind: [_plain(kind, each, names) for each in objects] for kind, objects in seen.items() if kind != "Event"}
    done["Event"] = list(events(seen.get("Event", ()), names))
    return {kind: sorted(objects, key=as_text) for kind, objects in done.items()}


def as_text(given: Any) -> str:
    """A text that is the same for equal values."""
    return json.dumps(given, sort_keys=True)


def _plain(kind: str, each: Object, names: Names) -> Object:
    body = {key: value for key, value in each.items() if key not in ("apiVersion", "kind")}
    body["metadata"] = {key: value for key, value in each["metadata"].items() if key not in _UNSAID}
    if kind in ("Pod", "Node"):
        del body["status"]
    if kind == "EndpointSlice":  # how many writes it took depends on how many pods came at once
        body["metadata"].pop("generation", None)
    if kind == "Node":
        body["spec"].pop("podCIDR", None)
    if kind == "PersistentVolume":
        body["spec"].get("claimRef", {}).pop("resourceVersion", None)
    found: Object = names.value(body)
    _sort(found)
    return found


def _rank(entry: Any) -> tuple[str, str]:
    """By type first, so that the same condition of both sides is compared."""
    return (entry.get("type", "") if isinstance(entry, dict) else "", as_text(entry))


def _sort(body: Object) -> None:
    """Lists whose order means nothing."""
    for holder, field in (
        (body.get("status", {}), "conditions"),
        (body, "endpoints"),
        (body, "ports"),
        (body, "subsets"),
        (body.get("spec", {}), "taints"),
        (body["metadata"], "ownerReferences"),
        (body["metadata"], "finalizers"),
    ):
        if holder.get(field):
            holder[field].sort(key=_rank)
    for subset in body.get("subsets") or ():
        for each in subset.values():
            each.sort(key=as_text)


def events(seen: Iterable[Object], names: Names) -> Iterator[Object]:
    """What was told about what, and how often; which Event object holds it means nothing."""
    counts: dict[str, int] = {}
    for each in seen:
        if each.get("source", {}).get("component") in OURS_TOO:
            key = as_text(_told(each, names))
            counts[key] = counts.get(key, 0) + each.get("count", 1)
    for key, count in counts.items():
        told: Object = json.loads(key)
        yield told | {"count": "some" if told["reason"] in _RETRIED else count}


def _told(event: Object, names: Names) -> Object:
    about = event["involvedObject"]
    return {
        "about": f"{about['kind']}/{names.words(about['name'])}",
        "type": event["type"],
        "reason": event["reason"],
        "message": names.words(event["message"]),
        "source": event["source"]["component"],
    }
