"""A cluster's life with the real etcd, kube-apiserver and kwok: up, repaired, interrupted, down."""

import contextlib
import http.client
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.errors import ClusterError
from understudy.cluster.process import Identity, wait_until

PODS = "/api/v1/namespaces/default/pods"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
NAMESPACES = "/api/v1/namespaces"

Make = Callable[..., EmbeddedCluster]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return clusters below `tmp_path`, all of which are down in the end."""
    made: list[EmbeddedCluster] = []

    def factory(name: str = "test") -> EmbeddedCluster:
        made.append(EmbeddedCluster(name, tmp_path))
        return made[-1]

    yield factory
    for cluster in made:
        cluster.down()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    """One cluster for the tests that only look."""
    cluster = EmbeddedCluster("shared", tmp_path_factory.mktemp("shared"))
    cluster.up()
    yield cluster
    cluster.down()


@pytest.fixture(scope="module")
def worn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    """One cluster for the tests that break something and then let `up` repair it. It knows the ConfigMap `kept`."""
    cluster = EmbeddedCluster("worn", tmp_path_factory.mktemp("worn"))
    cluster.up()
    remember(cluster, "kept")
    yield cluster
    cluster.down()


def identities(cluster: EmbeddedCluster) -> dict[str, Identity]:
    found = {component.name: Identity.of(component.pid) for component in cluster.status().components if component.pid}
    return {name: identity for name, identity in found.items() if identity}


def ports_of(cluster: EmbeddedCluster) -> dict[str, int | None]:
    return {component.name: component.port for component in cluster.status().components}


def left_over(root: Path) -> list[Path]:
    """What is still there of any cluster."""
    folder = root / "clusters"
    return list(folder.iterdir()) if folder.exists() else []


def kubectl(binaries: dict[str, Path], kubeconfig: Path, *args: str) -> str:
    command = [str(binaries["kubectl"]), f"--kubeconfig={kubeconfig}", *args]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30).stdout.strip()


def remember(cluster: EmbeddedCluster, name: str) -> None:
    with cluster.api() as api:
        api.create(CONFIGMAPS, {"metadata": {"name": name}})


def remembered(cluster: EmbeddedCluster) -> set[str]:
    with cluster.api() as api:
        return {item["metadata"]["name"] for item in api.get(CONFIGMAPS)["items"]}


def test_up_kubectl_down(make: Make, binaries: dict[str, Path], tmp_path: Path) -> None:
    cluster = make()
    cluster.up()
    assert cluster.status().running
    there = kubectl(binaries, cluster.kubeconfig(), "get", "namespaces", "-o", "name").split()
    assert "namespace/default" in there
    assert kubectl(binaries, cluster.kubeconfig(), "get", "--raw", "/readyz") == "ok"
    ran = identities(cluster)
    assert set(ran) == {"etcd", "kube-apiserver"}
    assert cluster.down()
    assert not any(identity.alive() for identity in ran.values())
    assert left_over(tmp_path) == []


def test_the_version_is_the_pinned_one(shared: EmbeddedCluster) -> None:
    with shared.api() as api:
        assert api.get("/version")["gitVersion"].startswith("v1.34.")


def test_up_again_changes_nothing(shared: EmbeddedCluster) -> None:
    before = identities(shared)
    shared.up()
    assert identities(shared) == before


def test_data_is_kept_and_pods_never_share_addresses(make: Make) -> None:
    cluster = make()
    cluster.up(nodes=2)
    remember(cluster, "kept")
    before = _pod(cluster, "before")
    addresses = [_address(cluster, before)]
    waiting = _pod(cluster, "waiting", {"kwok.understudy.dev/ready-delay": "3s"})
    ports = ports_of(cluster)
    cluster.down(keep_data=True)
    assert {component.state for component in cluster.status().components} == {"stopped"}
    cluster.up()
    assert "kept" in remembered(cluster)
    assert ports_of(cluster) == ports
    addresses += [_address(cluster, pod) for pod in (_pod(cluster, "after"), waiting, before)]
    assert len(set(addresses)) == 3


def _pod(cluster: EmbeddedCluster, name: str, annotations: dict[str, str] | None = None) -> str:
    """Create a pod on a simulated node and return its path."""
    with cluster.api() as api:
        api.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        spec = {"nodeName": "node-0", "containers": [{"name": "c", "image": "i"}]}
        api.create(PODS, {"metadata": {"name": name, "annotations": annotations}, "spec": spec})
    return f"{PODS}/{name}"


def _address(cluster: EmbeddedCluster, pod: str) -> str:
    """Wait until the pod at this path runs, and return its address."""
    with cluster.api() as api:
        assert wait_until(lambda: api.get(pod)["status"].get("podIP"), 20)
        return str(api.get(pod)["status"]["podIP"])


@pytest.mark.parametrize(("victim", "survivor"), [("kube-apiserver", "etcd"), ("etcd", "kube-apiserver")])
def test_what_was_killed_is_started_again_and_the_rest_left_alone(
    worn: EmbeddedCluster, victim: str, survivor: str
) -> None:
    before, ports = identities(worn), ports_of(worn)
    os.kill(before[victim].pid, signal.SIGKILL)
    assert wait_until(lambda: not worn.status().running, 10)
    states = {component.name: component.state for component in worn.status().components}
    assert states[victim] == "stale"
    worn.up()
    after = identities(worn)
    assert worn.status().running
    assert after[survivor] == before[survivor]
    assert after[victim] != before[victim]
    assert ports_of(worn) == ports, "whoever was connected finds it again"
    assert "kept" in remembered(worn)


def test_a_reboot_is_repaired(worn: EmbeddedCluster) -> None:
    for identity in identities(worn).values():
        os.kill(identity.pid, signal.SIGKILL)
    for pidfile in worn.at.pids.iterdir():
        pidfile.write_text(str(Identity(1, 1, "the-boot-before")))
    worn.up()
    assert "kept" in remembered(worn)


def test_a_damaged_record_is_written_anew(worn: EmbeddedCluster) -> None:
    before = identities(worn)
    worn.at.config.write_bytes(b"{ half a rec")
    worn.up()
    assert not any(identity.alive() for identity in before.values())
    assert "kept" in remembered(worn)


@pytest.mark.parametrize("lost", ["apiserver.crt", "ca.key"])
def test_lost_certificates_are_made_anew(worn: EmbeddedCluster, lost: str) -> None:
    (worn.at.pki / lost).unlink()
    worn.up()
    assert "kept" in remembered(worn)


def test_two_names_are_two_clusters(shared: EmbeddedCluster) -> None:
    other = EmbeddedCluster("other", shared.at.root)
    try:
        other.up()
        remember(shared, "only-here")
        assert "only-here" not in remembered(other)
        assert not {i.pid for i in identities(shared).values()} & {i.pid for i in identities(other).values()}
    finally:
        other.down()
    assert shared.status().running


def test_two_commands_at_once_make_one_cluster(tmp_path: Path, make: Make) -> None:
    cluster, failed = make(), []

    def up() -> None:
        try:
            EmbeddedCluster("test", tmp_path).up()
        except ClusterError as error:
            failed.append(error)

    threads = [threading.Thread(target=up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert cluster.status().running
    owned = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in _read(path)]
    assert len(owned) == 2


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


UP = """
import sys
from pathlib import Path
from understudy.cluster.embedded import EmbeddedCluster
EmbeddedCluster("test", Path(sys.argv[1])).up(die_with_parent=len(sys.argv) > 2)
if len(sys.argv) > 2:
    print("up", flush=True)
    sys.stdin.read()
"""


def _starting(cluster: EmbeddedCluster, tmp_path: Path) -> subprocess.Popen[bytes]:
    """Return an `up` of another process that has just started kube-apiserver."""
    child = subprocess.Popen([sys.executable, "-c", UP, tmp_path], stderr=subprocess.DEVNULL)
    assert wait_until(lambda: {"etcd", "kube-apiserver"} <= set(identities(cluster)), 20)
    return child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_during_up_leaves_nothing(make: Make, tmp_path: Path, number: signal.Signals) -> None:
    cluster = make()
    with _starting(cluster, tmp_path) as child:
        ran = identities(cluster)
        child.send_signal(number)
        assert child.wait(20) not in (0, None)
    assert ran
    assert not any(identity.alive() for identity in ran.values())
    assert left_over(tmp_path) == []


def test_an_up_that_was_killed_is_finished_by_the_next(make: Make, tmp_path: Path) -> None:
    cluster = make()
    with _starting(cluster, tmp_path) as child:
        ran = identities(cluster)
        child.kill()
    cluster.up()
    assert identities(cluster) == ran
    assert cluster.down()
    assert left_over(tmp_path) == []


def test_a_cluster_of_a_test_run_dies_with_it(make: Make, tmp_path: Path) -> None:
    cluster = make()
    argv = [sys.executable, "-c", UP, str(tmp_path), "die"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"up\n"
        ran = identities(cluster)
        assert cluster.status().running
        child.kill()
    assert wait_until(lambda: not any(identity.alive() for identity in ran.values()), 10)


def test_a_wrong_argument_is_told_in_the_servers_words(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="unknown flag: --no-such-flag"):
        make().up(apiserver_args=["--no-such-flag"])
    assert left_over(tmp_path) == []


def test_arguments_are_kept_until_others_are_given(worn: EmbeddedCluster) -> None:
    worn.up(apiserver_args=["--profiling=true"])
    with worn.api() as api:
        assert api.text("/debug/pprof/")[0] == http.client.OK
    worn.up()
    with worn.api() as api:
        assert api.text("/debug/pprof/")[0] == http.client.OK
    worn.up(apiserver_args=[])
    with worn.api() as api:
        assert api.text("/debug/pprof/")[0] == http.client.NOT_FOUND


def test_the_port_asked_for_is_taken_and_kept(make: Make) -> None:
    cluster = make()
    cluster.up(port=19443)
    assert "https://127.0.0.1:19443" in cluster.kubeconfig().read_text()
    with pytest.raises(ClusterError, match="runs already, on port 19443"):
        cluster.up(port=19444)
    assert cluster.status().running


def test_the_users_kubeconfig_gains_a_context_and_loses_it(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binaries: dict[str, Path]
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("apiVersion: v1\nkind: Config\ncurrent-context: work\nclusters: []\ncontexts: []\nusers: []\n")
    before = yaml.safe_load(mine.read_text())
    monkeypatch.setenv("KUBECONFIG", str(mine))
    cluster = make()
    cluster.up(merge=True)
    assert kubectl(binaries, mine, "--context=understudy-test", "get", "--raw", "/readyz") == "ok"
    assert yaml.safe_load(mine.read_text())["current-context"] == "work"
    cluster.down()
    assert yaml.safe_load(mine.read_text()) == before


def test_a_component_is_stopped_first(make: Make, tmp_path: Path) -> None:
    cluster = make()
    cluster.up()
    witness = tmp_path / "witness"
    url = f"https://127.0.0.1:{cluster.status().components[1].port}/readyz"
    ask = tmp_path / "ask.py"
    ask.write_text(
        f"import ssl, urllib.request as u; print(u.urlopen({url!r}, context=ssl._create_unverified_context()).read())"
    )
    script = f"trap '{sys.executable} {ask} > {witness}; exit' TERM; echo ready; while :; do sleep 0.05; done"
    cluster.start_component("loops", ["sh", "-c", script])
    assert wait_until(lambda: "ready\n" in list(cluster.logs("loops")), 10)
    assert [component.name for component in cluster.status().components][-1] == "loops"
    cluster.down()
    assert witness.read_text() == "b'ok'\n"


def test_strangers_learn_only_that_the_server_is_well(shared: EmbeddedCluster) -> None:
    port = shared.status().components[1].port
    answers = {path: _stranger_gets(port, path) for path in ("/readyz", "/livez", "/version", "/api", NAMESPACES)}
    assert answers == {"/readyz": 200, "/livez": 200, "/version": 401, "/api": 401, NAMESPACES: 401}


def test_etcd_does_not_speak_to_strangers(shared: EmbeddedCluster) -> None:
    port = shared.status().components[0].port
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _stranger_gets(port, "/version")


def _stranger_gets(port: int | None, path: str) -> int:
    """Return the status that a GET without any credentials is answered with."""
    anybody = ssl._create_unverified_context()
    with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, context=anybody, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.parametrize(
    ("user", "verb", "what", "may"),
    [
        ("scheduler", "create", "pods --subresource=binding", True),
        ("scheduler", "delete", "deployments", False),
        ("controller-manager", "list", "pods", True),
        # Upstream's controllers have an account each; the certificate alone may not do their work.
        ("controller-manager", "create", "pods", False),
    ],
)
def test_components_have_upstreams_rights(
    shared: EmbeddedCluster, binaries: dict[str, Path], user: str, verb: str, what: str, may: bool
) -> None:
    answer = kubectl(binaries, shared.kubeconfig_of(user), "auth", "can-i", verb, *what.split())
    assert answer == ("yes" if may else "no")


@pytest.mark.skipif(os.geteuid() != 0, reason="the rest of this file runs as an ordinary user already")
def test_an_ordinary_user_can_do_all_this(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> None:
    nobody = 65534
    home = Path("/tmp") / f"understudy-test-{os.getpid()}"
    home.mkdir(mode=0o700)
    try:
        copies = {name: Path(shutil.copy(binaries[name], home)) for name in ("etcd", "kube-apiserver", "kwok")}
        for path in (home, *copies.values()):
            os.chown(path, nobody, nobody)
        # The interpreter and this code may lie where nobody may read, so everything is imported before the switch.
        from understudy.cluster import kubeconfig, nodes, pki, rest, startup  # noqa: F401

        child = os.fork()
        if child == 0:
            os._exit(_as_user(nobody, home, copies))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not (home / "state" / "clusters" / "user").exists()
    finally:
        shutil.rmtree(home)


def _as_user(user: int, home: Path, binaries: dict[str, Path]) -> int:
    """Become `user` for good, run a cluster with a node and end it; return an exit code."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    os.environ.update(HOME=str(home), KUBECONFIG=str(home / "config"))
    cluster = EmbeddedCluster("user", home / "state", binaries=binaries)
    try:
        cluster.up(nodes=1, merge=True)
        running = cluster.status().running
        return 0 if cluster.down() and running else 1
    except BaseException as error:  # noqa: BLE001 (nothing may leave a forked child)
        os.write(2, f"{error!r}\n".encode())
        cluster.down()
        return 1
