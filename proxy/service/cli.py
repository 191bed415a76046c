"""`understudy service-proxy clean`, which takes our rules off a node for good, and `understudy explain service/x`.

Wired into the command line by `understudy/cli.py`. The proxy itself removes nothing when it ends: packets still need
the rules.
"""

import json
from contextlib import closing
from pathlib import Path

import click


@click.group("service-proxy")
def service_proxy() -> None:
    """The rules for Services on this node (the service proxy keeps them)."""


@service_proxy.command()
@click.option("--kube-proxy", is_flag=True, help="kube-proxy's rules instead, as `kube-proxy --cleanup` does.")
def clean(kube_proxy: bool) -> None:
    """Remove our nftables tables from this node. Services cannot be reached from it any more."""
    from understudy.proxy.network.host import HostError
    from understudy.proxy.service.kernel import KernelRules
    from understudy.proxy.service.leftovers import KubeProxyRules
    from understudy.proxy.service.statements import Family

    for family in Family:
        try:
            with closing(KubeProxyRules(family) if kube_proxy else KernelRules(family)) as rules:
                rules.remove()
        except HostError as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"nothing of {'kube-proxy' if kube_proxy else 'the service proxy'} is left on this node")


def explain(
    namespace: str, name: str, node: str, *, kubeconfig: Path | None, context: str | None, output: str = "text"
) -> int:
    """Print the way of a packet to the Service. Raises ConfigError, ApiError, Lost."""
    from understudy.kinds.meta import Key
    from understudy.proxy.service.explain import explain as explained
    from understudy.proxy.service.explain import lines

    said = explained(kubeconfig, context, Key(namespace, name), node)
    click.echo(json.dumps(said, indent=2) if output == "json" else "\n".join(lines(said)))
    return 0
