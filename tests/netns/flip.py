"""A service proxy as a process of its own that does nothing but change one Service: `python -m tests.netns.flip IP`.

Killed by `test_service_hard` while it writes. It says "ready" when its first change is made.
"""

import sys
from itertools import cycle

import msgspec

from tests.netns.service_lab import NODE, PODS
from understudy.kinds.meta import Key
from understudy.proxy.service.elements import Facts
from understudy.proxy.service.endpoints import Place
from understudy.proxy.service.kernel import KernelRules
from understudy.proxy.service.kinds import ProxyService, ProxySlice
from understudy.proxy.service.model import Model, serve
from understudy.proxy.service.statements import IPV4


def main(ip: str) -> None:
    """Until it is killed."""
    spec = {"clusterIP": ip, "clusterIPs": [ip], "ports": [{"port": 80, "protocol": "TCP"}]}
    made = msgspec.convert({"metadata": {"name": "web", "namespace": "d"}, "spec": spec}, ProxyService)
    model, rules = Model(Facts(IPV4, NODE[0], ("10.244.0.0/16",), ("10.96.0.0/16",))), KernelRules(IPV4)
    told = False
    for chosen in cycle((("one",), ("two",), ("one", "two"))):
        model.put(Key("d", "web"), "", serve(made, [_slice(*chosen)], model.facts, Place("me")))
        if told:
            rules.change(model.take())
            continue
        model.settle()
        rules.load(model.chains, model.elements)
        print("ready", flush=True)
        told = True


def _slice(*pods: str) -> ProxySlice:
    ends = [{"addresses": [PODS[pod][0]], "nodeName": "me"} for pod in pods]
    ports = [{"name": "", "port": 8080, "protocol": "TCP"}]
    metadata = {"name": "web-1", "namespace": "d", "labels": {"kubernetes.io/service-name": "web"}}
    return msgspec.convert({"metadata": metadata, "addressType": "IPv4", "endpoints": ends, "ports": ports}, ProxySlice)


if __name__ == "__main__":
    main(sys.argv[1])
