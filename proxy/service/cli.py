"""`understudy service-proxy clean`: taking our rules off a node, when the service proxy is not to come back.

Wired into the command line by `understudy/cli.py`. The proxy itself removes nothing when it ends: packets still need
the rules.
"""

from contextlib import closing

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
