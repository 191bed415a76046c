"""The pytest plugin (entry point `pytest11`): a real API server with our loops for tests of operators.

pytest imports this in every project where Understudy is installed, so nothing but pytest is imported before a fixture
is used. The run and its cluster are in `understudy.testing.session`, what tests get in `understudy.testing.cluster`.
"""

import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from understudy.testing.access import Access
    from understudy.testing.cluster import Cluster
    from understudy.testing.session import Run

RUN = pytest.StashKey["Run"]()
CLUSTER = pytest.StashKey["Cluster"]()
NAMESPACE = pytest.StashKey[str]()
WORKER_INPUT = "understudy"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; those that describe the cluster can be set in the ini file too."""
    group = parser.getgroup("understudy", "a real Kubernetes API server with control loops, for tests")
    group.addoption(
        "--understudy-nodes",
        type=int,
        metavar="N",
        help="simulated nodes of the test cluster (ini: understudy_nodes; 2)",
    )
    group.addoption(
        "--understudy-loops",
        metavar="LOOPS",
        help='which loops run in it: "controllers,scheduler", "none"; all if left out (ini: understudy_loops)',
    )
    group.addoption(
        "--understudy-keep", action="store_true", help="leave the test cluster running and say how to reach it"
    )
    group.addoption(
        "--understudy-reuse", metavar="NAME", help="use the cluster that `understudy up --name NAME` started"
    )
    parser.addini("understudy_nodes", "simulated nodes of the test cluster", default="2")
    parser.addini("understudy_loops", "loops of the test cluster", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a setting that is none and options that contradict each other."""
    _nodes(config)
    if config.getoption("understudy_reuse"):
        for name in ("nodes", "loops", "keep"):
            if config.getoption(f"understudy_{name}"):
                raise pytest.UsageError(f"--understudy-{name} has no meaning with --understudy-reuse")


@pytest.fixture(scope="session")
def understudy_cluster(request: pytest.FixtureRequest) -> "Iterator[Cluster]":
    """A real kube-apiserver and etcd with control loops and simulated nodes, one for the whole run."""
    from understudy.testing.cluster import Cluster

    cluster = Cluster(_access(request.config))
    request.config.stash[CLUSTER] = cluster
    yield cluster
    cluster.close()


@pytest.fixture
def understudy_namespace(request: pytest.FixtureRequest, understudy_cluster: "Cluster") -> Iterator[str]:
    """A new namespace in which pods can be created at once; it is deleted afterwards."""
    name = f"test-{os.urandom(4).hex()}"
    understudy_cluster.create_namespace(name)
    request.node.stash[NAMESPACE] = name
    yield name
    understudy_cluster.delete_namespace(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say what was going on in the namespace of a test that failed."""
    report = yield
    used = CLUSTER in item.config.stash and "understudy_cluster" in getattr(item, "fixturenames", ())
    if used and report.failed and call.when != "teardown":
        report.sections.append(("understudy", _situation(item)))
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist: tell a worker which run it belongs to."""
    node.workerinput[WORKER_INPUT] = _run(node.config).pack()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how to reach a cluster that stays."""
    run = config.stash.get(RUN, None)
    if run is None or not (config.getoption("understudy_keep") and run.started()):
        return
    terminalreporter.section("understudy")
    terminalreporter.write_line(f"The cluster {run.name} is still running:")
    terminalreporter.write_line(f"  export KUBECONFIG=$(understudy kubeconfig --name {run.name})")
    terminalreporter.write_line(f"  understudy kubectl --name {run.name} -- get events --all-namespaces")
    terminalreporter.write_line(f"  understudy down --name {run.name}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the cluster, in the process that ends last."""
    run = config.stash.get(RUN, None)
    if run is not None and not _is_worker(config):
        from understudy.testing import session

        session.end(run)


def _access(config: pytest.Config) -> "Access":
    """The run's cluster, or a test failure that says why there is none, without a traceback."""
    from understudy.cluster.errors import ClusterError
    from understudy.cluster.toolchain import ToolchainError
    from understudy.testing import session

    try:
        if name := config.getoption("understudy_reuse"):
            return session.reuse(name)
        wish = session.Wish(_nodes(config), _setting(config, "loops"), bool(config.getoption("understudy_keep")))
        return session.obtain(_run(config), wish, lambda: _toolchain(config))
    except (ClusterError, ToolchainError) as error:
        pytest.fail(f"understudy: {error}", pytrace=False)


def _toolchain(config: pytest.Config) -> None:
    """Build what is missing, with progress on the terminal."""
    from understudy.cluster.toolchain import ensure, locate
    from understudy.testing.session import TOOLS

    if all(locate(name) for name in TOOLS):
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        ensure(TOOLS)


def _run(config: pytest.Config) -> "Run":
    from understudy.testing.session import Run

    if RUN not in config.stash:
        packed = getattr(config, "workerinput", {}).get(WORKER_INPUT)
        config.stash[RUN] = Run.unpack(packed) if packed else Run.begin()
    return config.stash[RUN]


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _setting(config: pytest.Config, name: str) -> str:
    given = config.getoption(f"understudy_{name}")
    return str(config.getini(f"understudy_{name}") if given is None else given)


def _nodes(config: pytest.Config) -> int:
    said = _setting(config, "nodes")
    if not said.isdigit():
        raise pytest.UsageError(f"understudy_nodes is {said!r}, which is no number of nodes")
    return int(said)


def _situation(item: pytest.Item) -> str:
    from understudy.cluster.errors import ClusterError

    cluster = item.config.stash[CLUSTER]
    try:
        return cluster.describe(item.stash.get(NAMESPACE, "default"))
    except ClusterError as error:
        return f"the cluster could not be asked: {error}"
