"""The `understudy` command. Each subcommand is small here; the work is in `cluster`, `loop.process` and `show`.

Imports stay inside the commands where they are heavy, so that `understudy --help` and shell completion are quick.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from understudy import __version__
from understudy.cluster import cli as cluster_cli
from understudy.cluster.engine.cli import engine
from understudy.cluster.image.cli import image
from understudy.cluster.toolchain.cli import toolchain
from understudy.components import COMPONENTS, SETTINGS, Entry, UnknownController, choose, registry
from understudy.dns.cli import dns
from understudy.proxy.network.cli import network
from understudy.proxy.service.cli import service_proxy
from understudy.takeover.seen import LEASE_OF

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="understudy")
def main() -> None:
    """Kubernetes' own control loops, in Python: run them, watch them, change them."""


for _command in (
    cluster_cli.down,
    cluster_cli.logs,
    cluster_cli.kubeconfig,
    dns,
    engine,
    image,
    network,
    service_proxy,
    toolchain,
):
    main.add_command(_command)

_name = click.option("--name", default="default", show_default=True, help="Which embedded cluster.")


@main.command(context_settings=CONTEXT)
@click.option("--name", help="Which cluster.  [default: default, of kind understudy]")
@click.option(
    "--provider",
    type=click.Choice(["embedded", "kind"]),
    default="embedded",
    show_default=True,
    help="embedded: an API server and simulated nodes, no Docker. kind: real nodes in containers, our chart on them.",
)
@click.option("--image", help="kind: the node image, or official, self-made, auto.  [default: auto]")
@click.option("--nodes", type=click.IntRange(0), help="Simulated nodes; as before if left out, 4 for a new cluster.")
@click.option("--port", type=click.IntRange(1, 65535), help="The API server's port; a free one if left out.")
@click.option("--loops/--no-loops", default=True, show_default=True, help="Run our controllers and scheduler on it.")
@click.option(
    "--with",
    "addons",
    multiple=True,
    type=click.Choice(["service-proxy", "dns"]),
    help="kind: also take this over from upstream. As often as you like.",
)
@click.option("--demo", "show", is_flag=True, help="Then play the show: a rollout, an update, a rollback.")
@click.option("--services", is_flag=True, help="Let Services be reached on this machine: 10.96.0.7 at 127.96.0.7.")
@click.option("--durable", is_flag=True, help="Let etcd flush each write to the disk; slower.")
@click.option("--set-context", is_flag=True, help="Make it kubectl's current context.")
def up(
    name: str | None,
    provider: str,
    image: str | None,
    loops: bool,
    addons: tuple[str, ...],
    show: bool,
    **embedded: Any,
) -> None:
    """Start a cluster led by our loops: etcd, kube-apiserver and simulated nodes, or a real one by kind."""
    if provider == "kind":
        _refuse(
            "--provider kind", {"--demo": show, **{f"--{key.replace('_', '-')}": embedded[key] for key in embedded}}
        )
        from understudy.cluster.kind import cli as kind_cli
        from understudy.cluster.kind.provider import DEFAULT_NAME
        from understudy.cluster.kind.stage import Wish

        wish = Wish(name or DEFAULT_NAME, image or "auto", loops, addons)
        _exit(lambda: kind_cli.up(wish))
    _refuse("--provider embedded", {"--image": image, "--with": addons or None})
    from understudy.demo import curtain

    asked = curtain.Wish(name or "default", loops=loops, **embedded)
    _exit(lambda: curtain.up(asked, show))


def _refuse(provider: str, given: dict[str, Any]) -> None:
    """Raise UsageError if an option was given that means nothing to `provider`."""
    meaningless = [option for option, value in given.items() if value not in (None, False)]
    if meaningless:
        raise click.UsageError(f"{', '.join(meaningless)} cannot be used with {provider}")


@main.command(context_settings=CONTEXT)
@_name
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Save the update half way as SVG.")
def demo(name: str, picture: Path | None) -> None:
    """Play the show on a running cluster: a rollout, an update, a rollback, seen live."""
    from understudy.demo import curtain

    _exit(lambda: curtain.demo(name, picture))


@main.command(context_settings={**CONTEXT, "ignore_unknown_options": True})
@_name
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubectl(name: str, arguments: Sequence[str]) -> None:
    """The toolchain's kubectl on an embedded cluster: `understudy kubectl -- get pods`."""
    import os

    from understudy.cluster.embedded import EmbeddedCluster
    from understudy.cluster.toolchain import ensure

    def execute() -> int:
        with cluster_cli.readable_errors():
            binary, config = ensure(["kubectl"])["kubectl"], EmbeddedCluster(name).kubeconfig()
        os.execv(binary, ["kubectl", "--kubeconfig", str(config), *arguments])  # noqa: S606 - become it

    _exit(execute)


def _connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    kubeconfig = click.option(
        "--kubeconfig",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="The kubeconfig file; otherwise $KUBECONFIG, ~/.kube/config, or the pod's service account.",
    )
    context = click.option("--context", help="The context in it; otherwise its current one.")
    return kubeconfig(context(command))


def _address(_context: click.Context, _parameter: click.Parameter, given: str) -> tuple[str, int]:
    host, colon, port = given.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{given!r} is not HOST:PORT, such as 127.0.0.1:8080, or :8080 for every address")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - that is how one asks for every address


@main.command(context_settings=CONTEXT)
@_name
@_connection_options
@click.option(
    "--leases", is_flag=True, help="Of any cluster: who leads, upstream or ours. So with --kubeconfig, --context."
)
def status(name: str, kubeconfig: Path | None, context: str | None, leases: bool) -> None:
    """Show what runs of an embedded cluster, or who leads on any: exit code 0 if all is well, 3 if not."""
    if not (leases or kubeconfig or context):
        assert cluster_cli.status.callback is not None, "it is a command"
        cluster_cli.status.callback(name)
        return
    from understudy.takeover import cli as takeover_cli

    _exit(lambda: takeover_cli.show(kubeconfig, context))


def _moving(command: Callable[..., Any]) -> Callable[..., Any]:
    what = click.argument("components", nargs=-1, type=click.Choice(sorted(LEASE_OF)), metavar="[COMPONENT]...")
    everything = click.option("--all", "everything", is_flag=True, help="Controllers and scheduler.")
    timeout = click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait until it is so.")
    return what(everything(_connection_options(timeout(command))))


@main.command(context_settings=CONTEXT)
@_moving
@click.option("--run", "chosen", help='Which controllers: "*", "a,b", or "*,-c"; as chosen before if left out.')
def takeover(components: Sequence[str], everything: bool, chosen: str | None, **where: Any) -> None:
    """Let our loops lead in the place of upstream's, which stand by: `understudy takeover controllers`."""
    from understudy.takeover import cli as takeover_cli
    from understudy.takeover.act import Order

    run = chosen.split(",") if chosen is not None else None
    order = Order(takeover_cli.chosen(components, everything), take=True, run=run)

    def work() -> int:
        if run is not None:
            choose(run)  # or it says which one there is not
        return takeover_cli.move(order, **where)

    _exit(work)


@main.command(context_settings=CONTEXT)
@_moving
@click.option("--now", is_flag=True, help="Even while upstream's process is being restarted and nobody would lead.")
def release(components: Sequence[str], everything: bool, now: bool, **where: Any) -> None:
    """Give the lead back to upstream: `understudy release --all`."""
    from understudy.takeover import cli as takeover_cli
    from understudy.takeover.act import Order

    order = Order(takeover_cli.chosen(components, everything), take=False, now=now)
    _exit(lambda: takeover_cli.move(order, **where))


def _setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each of `SETTINGS`."""
    for setting in reversed(SETTINGS):
        about = f"{', '.join(setting.of)}: {setting.about}"
        if setting.default:
            about += f"  [default: {setting.default}]"
        kind = click.Path(exists=True, dir_okay=False, path_type=Path) if setting.file else None
        command = click.option(setting.option, setting.name.replace("-", "_"), type=kind, help=about)(command)
    return command


@main.command(context_settings=CONTEXT)
@click.argument("component", type=click.Choice(sorted(COMPONENTS)))
@_connection_options
@click.option("--leader-elect/--no-leader-elect", default=False, help="Act only while holding the component's Lease.")
@click.option(
    "--on-call",
    is_flag=True,
    help="With --leader-elect: lead only while the Lease asks for it (ControlPlane, `understudy takeover`).",
)
@click.option("--lease", "lease_name", help="The Lease in kube-system; by default upstream's own, so that one leads.")
@click.option(
    "--lease-duration", type=float, help="Seconds until an unrenewed Lease runs out.  [default: 15, on call 11]"
)
@click.option(
    "--renew-deadline", type=float, help="Seconds a leader tries to renew before it ends.  [default: 10, on call 7]"
)
@click.option("--retry-period", default=2.0, show_default=True, help="Seconds between tries.")
@_setting_options
@click.option(
    "--health-address",
    default="127.0.0.1:0",
    show_default=True,
    callback=_address,
    help="Where /healthz, /metrics, … listen.",
)
@click.option(
    "--webhook",
    nargs=3,
    type=str,
    metavar="PORT CERT KEY",
    help="operator: also answer admission reviews of ControlPlanes at this port, with this certificate and key.",
)
@click.option(
    "--liveness", metavar="URL", help="operator: where kopf's liveness probe listens, http://0.0.0.0:8081/healthz."
)
@click.option(
    "--component-status",
    nargs=3,
    type=(click.IntRange(1, 65535), *[click.Path(exists=True, dir_okay=False, path_type=Path)] * 2),
    metavar="PORT CERT KEY",
    help="Also answer, over TLS, at the port at which the API server of this host asks for upstream's process.",
)
@click.option("--port-file", type=click.Path(dir_okay=False, path_type=Path), help="Write the health port here.")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    show_default=True,
    help="auto: text on a terminal, JSON anywhere else.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def run(component: str, **given: Any) -> None:
    """Run one COMPONENT against an API server until it is stopped."""
    from understudy.obs.log import configure

    form = given["log_format"]
    if form == "auto":
        form = "text" if sys.stderr.isatty() else "json"
    configure(form, given["log_level"])
    _exit(lambda: _run_component(component, given))


def _run_component(component: str, given: dict[str, Any]) -> int:
    import uvloop

    from understudy.loop.process import ON_CALL_TIMES, TIMES, Options
    from understudy.loop.process import run as run_process

    entry = COMPONENTS[component]
    if given["on_call"] and not given["leader_elect"]:
        raise click.UsageError("--on-call needs --leader-elect: it is about when to stand for election")
    make = entry.load()
    settings = _settings(component, given)
    host, port = given["health_address"]
    duration, deadline = ON_CALL_TIMES if given["on_call"] else TIMES
    options = Options(
        kubeconfig=given["kubeconfig"],
        context=given["context"],
        lease=_lease(entry, given),
        lease_duration=given["lease_duration"] or duration,
        renew_deadline=given["renew_deadline"] or deadline,
        retry_period=given["retry_period"],
        health_host=host,
        health_port=port,
        port_file=given["port_file"],
        status=given["component_status"],
        on_call=given["on_call"],
        choice=settings.get("controllers", "*"),
    )

    async def begin(client: Any, on_fenced: Callable[[], None], choice: str) -> Any:
        return make(client, settings | {"controllers": choice}, on_fenced)

    return uvloop.run(run_process(options, begin))


def _lease(entry: Entry, given: dict[str, Any]) -> tuple[str, str] | None:
    if not given["leader_elect"]:
        return None
    if not entry.lease:
        raise click.UsageError(f"--leader-elect cannot be used with {entry.name}, of which many run side by side")
    return "kube-system", given["lease_name"] or entry.lease


def _settings(component: str, given: dict[str, Any]) -> dict[str, str]:
    """What the component is told. Raises UsageError for what it does not know."""
    settings = {}
    for setting in SETTINGS:
        value = given[setting.name.replace("-", "_")]
        if component in setting.of:
            text = value.read_text() if isinstance(value, Path) else value
            settings[setting.name] = setting.default if text is None else text
        elif value is not None:
            raise click.UsageError(f"{setting.option} is for {', '.join(setting.of)}, not for {component}")
    if given["webhook"] is not None:
        settings |= zip(("webhook-port", "webhook-cert", "webhook-key"), given["webhook"], strict=True)
    for name in ("kubeconfig", "context", "liveness"):
        if given[name] is not None:
            settings[name] = str(given[name])
    return settings


@main.command(context_settings=CONTEXT)
@click.option(
    "--output", "-o", type=click.Choice(["table", "wide", "json", "names"]), default="table", show_default=True
)
@click.option("--coverage", is_flag=True, help="Each of upstream's instead: whether it is done here, or why not.")
def controllers(output: str, coverage: bool) -> None:
    """The controllers there are: what each decides about, what wakes it, what it may write."""
    from understudy import show

    if coverage:
        from understudy.coverage import TABLE

        show.coverage(TABLE, output)
        return
    show.controllers(list(registry().values()), output)


@main.command(context_settings=CONTEXT)
@click.argument("target", metavar="KIND/NAME")
@click.option("--namespace", "-n", default="default", show_default=True)
@click.option("--name", "cluster", default="default", show_default=True, help="The embedded cluster to ask.")
@click.option("--address", multiple=True, help="host:port of a component's health address, instead of a cluster.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--node", default="", help="service/NAME: from which node's point of view.  [default: the first]")
@_connection_options
def explain(
    target: str,
    namespace: str,
    cluster: str,
    address: Sequence[str],
    output: str,
    node: str,
    kubeconfig: Path | None,
    context: str | None,
) -> None:
    """The last decision about an object, step by step with its reasons: `understudy explain deployment/web`.

    Of a Service it is the way of a packet: addresses, policies, and each endpoint with why it is used or not. Of a
    name (`name/web.default.svc.cluster.local`) it is what cluster DNS answers, and which objects make the answer.
    """
    from understudy import show

    kind, name = show.parsed(target)
    if kind == "service" and not address:
        from understudy.cluster.embedded import EmbeddedCluster
        from understudy.proxy.service import cli as service_cli

        def way() -> int:
            file = kubeconfig if kubeconfig or context else EmbeddedCluster(cluster).kubeconfig()
            return service_cli.explain(namespace, name, node, kubeconfig=file, context=context, output=output)

        _exit(way)
    if kind == "name":
        from understudy.cluster.embedded import EmbeddedCluster
        from understudy.dns import explaincli

        where = kubeconfig if kubeconfig or context else EmbeddedCluster(cluster).kubeconfig()
        _exit(lambda: explaincli.show(name, where, context, output))
    _exit(lambda: show.explain(target, namespace, cluster, address, output))


@main.command(context_settings=CONTEXT)
@click.option("--filename", "-f", "files", multiple=True, required=True, help="Manifests; - for what is piped in.")
@click.option("--namespace", "-n", default="default", show_default=True, help="Of manifests that name none.")
@click.option("--name", "cluster", default="default", show_default=True, help="The embedded cluster to look at.")
@_connection_options
@click.option("--scheduler-name", default="default-scheduler,understudy-scheduler", help="Names served by default.")
@click.option("--plugin-dir", type=click.Path(file_okay=False, path_type=Path), help="As the scheduler is given it.")
@click.option("--seed", default=0, show_default=True, help="Draws lots among nodes that are equal.")
@click.option("--output", "-o", type=click.Choice(["table", "json"]), default="table", show_default=True)
def simulate(
    files: Sequence[str],
    namespace: str,
    cluster: str,
    kubeconfig: Path | None,
    context: str | None,
    scheduler_name: str,
    plugin_dir: Path | None,
    seed: int,
    output: str,
) -> None:
    """Where these pods would go, and who would have to leave for them. Nothing is written.

    Pods, and what makes them from a template: Deployments, ReplicaSets, StatefulSets, Jobs, CronJobs.
    """
    from understudy.cluster.embedded import EmbeddedCluster
    from understudy.scheduler import cli as scheduler_cli

    def work() -> int:
        file = kubeconfig if kubeconfig or context else EmbeddedCluster(cluster).kubeconfig()
        where: dict[str, Any] = {"kubeconfig": file, "context": context, "names": scheduler_name}
        return scheduler_cli.run(files, namespace, output, plugin_dir=plugin_dir, seed=seed, **where)

    _exit(work)


@main.command(context_settings=CONTEXT)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """The completion script: `source <(understudy completion bash)`."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "click knows the three shells"
    click.echo(kind(main, {}, "understudy", "_UNDERSTUDY_COMPLETE").source())


def _exit(work: Callable[[], int]) -> None:
    """End with the exit code of `work`; what a user can mend is one line on stderr and exit code 1 or 2."""
    from understudy.api.config import ConfigError
    from understudy.api.transport import Lost
    from understudy.errors import ApiError

    try:
        with cluster_cli.readable_errors():
            code = work()
        sys.exit(code)
    except (ConfigError, UnknownController, ApiError, Lost, OSError) as error:
        click.echo(f"understudy: {error}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
