"""The pytest plugin as a project uses it: pytest as a process, a real API server, and no trace of either afterwards."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.cluster.embedded import EmbeddedCluster, clusters
from understudy.cluster.process import wait_until
from understudy.cluster.toolchain import ensure
from understudy.testing.session import meetings

PATIENCE = 240
"""Seconds for a run: the machine may be busy."""
POD = """
    POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    POD |= {"spec": {"nodeName": "node-0", "containers": [{"name": "c", "image": "i"}]}}
"""
INI = "[pytest]\nfilterwarnings = error\n"
SLEEPER = """
    import pathlib, time

    def test_sleep(understudy_cluster, understudy_namespace):
        pathlib.Path("name").write_text(understudy_cluster.name)
        time.sleep(300)
"""


class Project:
    """A folder with one test module, whose runs keep their clusters below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state" / "understudy"
        (folder / "pytest.ini").write_text(
            "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
        )

    def write(self, *parts: str) -> None:
        """The test module, of indented parts."""
        (self.folder / "test_it.py").write_text("\n".join(textwrap.dedent(part) for part in parts))

    def start(self, *options: str, python: str = sys.executable) -> subprocess.Popen[str]:
        """pytest in that folder."""
        # A run of this run's: not one of its xdist workers.
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        command = [python, "-m", "pytest", "-v", *options]
        environment = kept | {"XDG_STATE_HOME": str(self.folder / "state"), "COLUMNS": "200"}
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *options: str, python: str = sys.executable) -> str:
        """What pytest printed."""
        with self.start(*options, python=python) as pytest_process:
            return pytest_process.communicate(timeout=PATIENCE)[0]

    def processes(self) -> list[str]:
        """The command lines of all that runs for this project but pytest."""
        return [line for line in command_lines() if str(self.state) in line]

    def traces(self) -> list[str]:
        """Processes, clusters and meeting places that are still there."""
        met = meetings(self.state)
        return [*self.processes(), *clusters(self.state), *([str(path) for path in met.glob("*")])]


def command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue


@pytest.fixture(scope="module", autouse=True)
def toolchain() -> None:
    ensure(["etcd", "kube-apiserver", "kwok", "kubectl"])


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    for name in clusters(made.state):
        EmbeddedCluster(name, made.state).down()


def test_what_a_test_gets(project: Project) -> None:
    project.write(
        POD,
        """
        import subprocess, sys
        import pykube, pytest
        from kubernetes.client import CoreV1Api
        from understudy.cluster.errors import ClusterError

        CRD = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "websites.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"kind": "Website", "plural": "websites"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                    "type": "object", "properties": {"spec": {"type": "object", "properties": {
                        "size": {"type": "integer"}}}}}}}],
            },
        }

        def website(size):
            meta = {"name": "w"}
            return {"apiVersion": "example.com/v1", "kind": "Website", "metadata": meta, "spec": {"size": size}}

        def test_pods_run_at_once(understudy_cluster, understudy_namespace):
            understudy_cluster.apply(POD, understudy_namespace)
            pod = understudy_cluster.wait_for("pod/p", "Ready", understudy_namespace)
            assert pod["status"]["phase"] == "Running"

        def test_namespaces_are_apart(understudy_cluster, understudy_namespace):
            assert understudy_cluster.objects("pods", understudy_namespace) == []

        def test_a_new_kind_and_its_object_in_one_go(understudy_cluster, understudy_namespace):
            crd, made = understudy_cluster.apply([CRD, website(1)], understudy_namespace)
            (changed,) = understudy_cluster.apply(website(2), understudy_namespace)
            assert changed["metadata"]["uid"] == made["metadata"]["uid"]
            assert understudy_cluster.get("website", "w", understudy_namespace)["spec"] == {"size": 2}
            with pytest.raises(ClusterError, match="size"):
                understudy_cluster.apply(website("big"), understudy_namespace)
            with pytest.raises(ClusterError, match="extra: field not declared"):
                understudy_cluster.apply(website(1) | {"extra": 1}, understudy_namespace)

        def test_names_are_generated(understudy_cluster, understudy_namespace):
            meta = {"generateName": "a-"}
            twice = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}] * 2
            made = understudy_cluster.apply(twice, understudy_namespace)
            assert len({each["metadata"]["name"] for each in made}) == 2

        def test_kubectl(understudy_cluster, understudy_namespace):
            printed = understudy_cluster.kubectl("get", "serviceaccounts", "-n", understudy_namespace, "-o", "name")
            assert printed == "serviceaccount/default\\n"

        def test_clients(understudy_cluster, understudy_namespace):
            names = {each.metadata.name for each in CoreV1Api(understudy_cluster.kubernetes()).list_namespace().items}
            assert {each.name for each in pykube.Namespace.objects(understudy_cluster.pykube())} == names
            assert understudy_namespace in names

        def test_programs(understudy_cluster):
            code = "from kubernetes import config; print(config.list_kube_config_contexts()[1]['name'])"
            command = [sys.executable, "-c", code]
            printed = subprocess.check_output(command, env=understudy_cluster.environment(), text=True)
            assert printed.strip() == f"understudy-{understudy_cluster.name}"

        def test_nodes(understudy_cluster):
            assert len(understudy_cluster.objects("nodes")) == 3

        def test_loops(understudy_cluster, understudy_namespace):
            understudy_cluster.wait_for("configmap/kube-root-ca.crt", "exists", understudy_namespace)
            told = understudy_cluster.explain("namespace", understudy_namespace)
            assert "create ConfigMap kube-root-ca.crt" in told
        """,
    )
    printed = project.run("--understudy-nodes=3")
    assert "9 passed" in printed, printed
    assert project.traces() == []


def test_a_failing_tests_report_tells_what_was_going_on(project: Project) -> None:
    project.write(
        POD,
        """
        def test_fails(understudy_cluster, understudy_namespace):
            understudy_cluster.apply(POD, understudy_namespace)
            understudy_cluster.wait_for("pod/p", "Ready", understudy_namespace)
            understudy_cluster.wait_for("pod/p", "Ready=False", understudy_namespace, timeout=0.1)

        def test_fails_without_a_cluster():
            assert False
        """,
    )
    printed = project.run("--understudy-loops=none")
    assert "2 failed" in printed, printed
    assert "WaitTimeout: pod/p Ready=False did not come true in 0.1 s: Unmet: Ready is True" in printed
    assert printed.count("namespace test-") == 1
    assert "p    1/1    Running  node-0" in printed


def test_workers_share_one_cluster(project: Project) -> None:
    project.write(
        """
        import os, pathlib, pytest

        @pytest.mark.parametrize("number", range(6))
        def test_it(understudy_cluster, understudy_namespace, number):
            seen = pathlib.Path(f"{os.environ['PYTEST_XDIST_WORKER']}-{understudy_cluster.name}-{understudy_namespace}")
            seen.with_suffix(".seen").touch()
        """
    )
    printed = project.run("-n", "2")
    assert "6 passed" in printed, printed
    seen = [path.stem.split("-") for path in project.folder.glob("*.seen")]
    assert {worker for worker, *_ in seen} == {"gw0", "gw1"}
    assert len({tuple(name) for _, *name, _, _ in seen}) == 1
    assert len({namespace for *_, namespace in seen}) == 6
    assert project.traces() == []


def test_two_runs_side_by_side(project: Project) -> None:
    project.write("def test_it(understudy_cluster, understudy_namespace):\n    print(understudy_cluster.name)\n")
    both = [project.start("-s"), project.start("-s")]
    printed = [each.communicate(timeout=PATIENCE)[0] for each in both]
    assert all("1 passed" in each for each in printed), printed
    assert project.traces() == []


@pytest.mark.parametrize("workers", ["0", "2"])
def test_killed_it_leaves_nothing(project: Project, workers: str) -> None:
    project.write(SLEEPER)
    with project.start("-n", workers) as running:
        assert wait_until((project.folder / "name").exists, PATIENCE)
        assert len(project.processes()) >= 5
        running.kill()
    assert wait_until(lambda: not project.traces(), 30), project.traces()


def test_interrupted_it_leaves_nothing(project: Project) -> None:
    project.write(SLEEPER)
    with project.start() as running:
        assert wait_until((project.folder / "name").exists, PATIENCE)
        running.send_signal(signal.SIGINT)
        running.wait(30)
    assert project.traces() == []


def test_interrupted_while_it_starts_it_leaves_nothing(project: Project) -> None:
    project.write(SLEEPER)
    with project.start() as running:
        assert wait_until(lambda: any("kube-apiserver" in line for line in project.processes()), PATIENCE)
        running.send_signal(signal.SIGINT)
        running.wait(60)
    assert project.traces() == []


def test_a_killed_keeper_takes_all_processes_along_and_the_next_run_the_files(project: Project) -> None:
    project.write(SLEEPER)
    with project.start() as running:
        assert wait_until((project.folder / "name").exists, PATIENCE)
        (meeting,) = meetings(project.state).iterdir()
        running.send_signal(signal.SIGSTOP)
        os.kill(int((meeting / "pid").read_text().split()[0]), signal.SIGKILL)
        running.kill()
    assert wait_until(lambda: not project.processes(), 30), project.processes()
    assert clusters(project.state) == [(project.folder / "name").read_text()]
    project.write("def test_it(understudy_cluster):\n    pass\n")
    assert "1 passed" in project.run()
    assert project.traces() == []


def test_kept_and_used_again(project: Project) -> None:
    project.write("def test_it(understudy_cluster):\n    print(f'on {understudy_cluster.name}.')\n")
    printed = project.run("--understudy-keep", "--understudy-loops=none")
    (name,) = clusters(project.state)
    assert f"understudy down --name {name}" in printed, printed
    assert EmbeddedCluster(name, project.state).status().running
    again = project.run(f"--understudy-reuse={name}", "-s")
    assert f"on {name}." in again, again
    assert "1 passed" in again
    assert EmbeddedCluster(name, project.state).down()
    assert project.traces() == []
    gone = project.run(f"--understudy-reuse={name}")
    assert f"cluster '{name}' does not run: `understudy up --name {name}` starts it" in gone


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--understudy-loops=kubelet"], "there is no loop 'kubelet' to start; there are: controllers"),
        (["--understudy-reuse=none-such"], "cluster 'none-such' does not run"),
        (["--understudy-nodes=-1"], "understudy_nodes is '-1', which is no number of nodes"),
        (["--understudy-keep", "--understudy-reuse=a"], "--understudy-keep has no meaning with --understudy-reuse"),
    ],
)
def test_what_cannot_be_is_said_without_a_traceback(project: Project, options: list[str], said: str) -> None:
    project.write("def test_it(understudy_cluster):\n    pass\n")
    printed = project.run(*options)
    assert said in printed, printed
    assert "Traceback" not in printed
    assert "plugin.py" not in printed
    assert project.traces() == []


def test_a_project_that_does_not_use_it_does_not_pay_for_it(project: Project) -> None:
    project.write(
        """
        import sys

        def test_nothing_is_imported():
            assert [name for name in sys.modules if name.startswith("understudy.")] == [
                "understudy.testing", "understudy.testing.plugin"
            ]
        """
    )
    assert "1 passed" in project.run()
    assert project.traces() == []
    assert "--understudy-nodes=N" in project.run("--help")


@pytest.mark.slow
def test_the_wheel_in_a_fresh_environment(project: Project) -> None:
    root, python = Path(__file__).parents[2], str(project.folder / "venv" / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", project.folder / "venv"], check=True)
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(project.folder), str(root)], check=True)
    (wheel,) = project.folder.glob("understudy-*.whl")
    subprocess.run([*pip, "install", str(wheel), "pytest"], check=True)
    (project.folder / "pytest.ini").write_text(INI)
    project.write("def test_it(understudy_namespace):\n    assert 'venv' in __import__('understudy').__file__\n")
    printed = project.run(python=python)
    assert "1 passed" in printed, printed
    assert project.traces() == []
