"""Every stand-in image as data, under upstream's own names.

They replace what a registry would serve where none can be reached: the control plane as `kubeadm config images list`
prints it, and what upstream's e2e suite starts (test/utils/image/manifest.go of Kubernetes 1.34). Read by `making`. Why
each is good enough is said beside it; what upstream's images hold is in test/images/*/Dockerfile.
"""

from types import MappingProxyType

from understudy.cluster.images.recipe import Applets, Deb, Entry, File, Folder, Image, Link, Text, Tool, Upstream
from understudy.cluster.toolchain.pins import KUBERNETES

REGISTRY = "registry.k8s.io"
E2E = f"{REGISTRY}/e2e-test-images"

BUSYBOX = Deb("busybox-static", "bin/busybox")
BASH = Deb("bash-static", "bin/bash-static")
INIT = Deb("catatonit", "usr/bin/catatonit")
DEBIAN_TOOLS = (
    "ca-certificates",
    "conntrack",
    "curl",
    "dnsutils",
    "iproute2",
    "iptables",
    "kmod",
    "netcat-openbsd",
    "nftables",
    "procps",
    "wget",
)
"""One root for all that need a shell, so that its layer exists once."""


def _component(name: str, packages: tuple[str, ...] = ()) -> Image:
    return Image(
        name,
        (f"{REGISTRY}/{name}:v{KUBERNETES}",),
        (File(f"usr/local/bin/{name}", Tool(name)),),
        packages,
    )


_SHELL: tuple[Entry, ...] = (
    File("bin/busybox", BUSYBOX),
    File("bin/bash", BASH),
    # busybox's own sh drops variables with a dash in their name, for which four tests look.
    Link("bin/sh", "bash"),
    Applets("bin", BUSYBOX, other=("sh", "bash", "busybox")),
    Text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    Text("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    Folder("root", 0o700),
    Folder("tmp", 0o1777),
    Folder("var/run"),
)
_USERS = (
    "root:x:0:0:root:/root:/bin/bash\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    "user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh\n"
)
_GROUPS = (
    "root:x:0:\nmail:x:8:\nshadow:x:42:\nnogroup:x:65534:\nuser-defined-in-image:x:1000:\n"
    "group-defined-in-image:x:50000:user-defined-in-image\n"
)
_AGNHOST: tuple[Entry, ...] = (
    File("agnhost", Tool("agnhost")),
    Link("agnhost-2", "agnhost"),
    File("localhost.crt", Upstream("test/images/agnhost/porter/localhost.crt"), 0o644),
    File("localhost.key", Upstream("test/images/agnhost/porter/localhost.key"), 0o644),
    # A test of supplementary groups counts on these two (test/images/agnhost/Dockerfile).
    Text("etc/passwd", _USERS),
    Text("etc/group", _GROUPS),
    Folder("uploads"),
)
_PAGES = "usr/local/apache2/htdocs"
_WEB: tuple[Entry, ...] = (
    *_SHELL,
    File("bin/catatonit", INIT),
    Folder("usr/local/apache2"),
    Text(f"{_PAGES}/index.html", "<html><body><h1>It works!</h1></body></html>\n"),
)


def _web(name: str, *versions: str) -> Image:
    """A web server on port 80. Under an init: as process 1 busybox would not hear SIGTERM, and die 30 s late."""
    command = ("/bin/catatonit", "--", "/bin/busybox", "httpd", "-f", "-p", "80", "-h", f"/{_PAGES}")
    return Image(name, tuple(f"{E2E}/{name}:{version}" for version in versions), _WEB, cmd=command)


_ALL = (
    Image(
        "pause",
        (f"{REGISTRY}/pause:3.10", f"{REGISTRY}/pause:3.10.1"),
        (File("pause", INIT),),
        entrypoint=("/pause", "-P"),
    ),
    Image(
        "etcd",
        (f"{REGISTRY}/etcd:3.6.5-0", f"{REGISTRY}/etcd:3.6.4-0"),
        (
            File("usr/local/bin/etcd", Tool("etcd")),
            File("usr/local/bin/etcdctl", Tool("etcdctl")),
            Folder("tmp", 0o1777),
        ),
    ),
    _component("kube-apiserver"),
    _component("kube-controller-manager"),
    _component("kube-scheduler"),
    _component("kube-proxy", DEBIAN_TOOLS),
    Image("agnhost", (f"{E2E}/agnhost:2.56",), _AGNHOST, DEBIAN_TOOLS, entrypoint=("/agnhost",), cmd=("pause",)),
    # A Job of the suite runs it without a command.
    Image("busybox", (f"{E2E}/busybox:1.37.0-1",), _SHELL, cmd=("sh",)),
    _web("httpd", "2.4.38-4", "2.4.39-4"),
    _web("nginx", "1.14-4", "1.15-4"),
    Image("jessie-dnsutils", (f"{E2E}/jessie-dnsutils:1.7",), packages=DEBIAN_TOOLS, cmd=("bash",)),
    Image(
        "nautilus",
        (f"{E2E}/nautilus:1.7",),
        (
            *_AGNHOST,
            File("nautilus.jpg", Upstream("test/images/nautilus/html/nautilus.jpg"), 0o644),
            File("data.json", Upstream("test/images/nautilus/html/data.json"), 0o644),
        ),
        DEBIAN_TOOLS,
        entrypoint=("/agnhost",),
        cmd=("test-webserver",),
    ),
    Image(
        "nonewprivs",
        (f"{E2E}/nonewprivs:1.3",),
        # Sets its user and group: the test asks that this has no effect.
        (*_SHELL, File("usr/local/bin/nnp", Tool("nonewprivs"), 0o6755)),
        cmd=("nnp",),
    ),
    Image(
        "sample-apiserver",
        (f"{E2E}/sample-apiserver:1.29.2",),
        (File("sample-apiserver", Tool("sample-apiserver")), Link("kube-sample-apiserver", "sample-apiserver")),
        DEBIAN_TOOLS,
        entrypoint=("/sample-apiserver",),
    ),
)

IMAGES = MappingProxyType({image.name: image for image in _ALL})

CONTROL_PLANE = ("pause", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
"""What a node image carries, so that a cluster boots without a registry."""
SUITE = (
    "pause",
    "etcd",
    "agnhost",
    "busybox",
    "httpd",
    "nginx",
    "jessie-dnsutils",
    "nautilus",
    "nonewprivs",
    "sample-apiserver",
)
"""What the [Conformance] tests of upstream's suite start."""
