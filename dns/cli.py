"""`understudy dns query NAME` asks a DNS server and shows the whole answer; `understudy dns convert` reads a Corefile.

Wired into the command line by `understudy/cli.py`. For people who look why a name is not found where there is no dig,
and for those who come from CoreDNS.
"""

import asyncio
import re
import sys
from ipaddress import ip_address
from pathlib import Path

import click

from understudy.dns.names import NUMBERS

_TYPE = re.compile(r"TYPE(\d{1,5})")


@click.group()
def dns() -> None:
    """Cluster DNS."""


@dns.command()
@click.argument("name")
@click.option("--type", "kind", default="A", show_default=True, help=f"{', '.join(NUMBERS)} or TYPEn.")
@click.option("--server", help="Address and port, 10.96.0.10:53.  [default: the first of /etc/resolv.conf]")
@click.option("--tcp", is_flag=True, help="Ask over TCP.")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds to wait for the answer.")
def query(name: str, kind: str, server: str | None, tcp: bool, timeout: float) -> None:
    """Ask for NAME (an address: for its PTR record). Exit code 1 if there is no such record, 2 without an answer."""
    from understudy.api.config import ConfigError
    from understudy.dns.config import RESOLV_CONF, target
    from understudy.dns.names import Malformed
    from understudy.dns.query import NoAnswer, ask, found, show
    from understudy.dns.settings import servers

    number = _number(kind)
    try:
        name, number = _reversed(name, number)
        found_servers = servers(server or RESOLV_CONF, "server")
        if not found_servers:
            raise click.UsageError(f"{RESOLV_CONF} names no server: give one with --server")
        to = target(found_servers[0])
        if to.tls:
            raise click.UsageError(f"--server {server}: it is asked over UDP and TCP only")
        answer = asyncio.run(ask((to.host, to.port), name, number, tcp=tcp, timeout=timeout))
        lines = show(answer)
    except (ConfigError, Malformed) as error:
        raise click.UsageError(str(error)) from None
    except NoAnswer as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    for line in lines:
        click.echo(line)
    sys.exit(0 if found(answer, number) else 1)


@dns.command()
@click.argument("corefile", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--strict", is_flag=True, help="Exit code 1 if something has no counterpart.")
def convert(corefile: Path, strict: bool) -> None:
    """Print the configuration that does what COREFILE does; what has no counterpart is named on stderr."""
    import yaml

    from understudy.dns.config import ConfigProblem, parse
    from understudy.dns.corefile import BadCorefile
    from understudy.dns.corefile import convert as converted

    try:
        made = converted(corefile.read_text())
        text = yaml.safe_dump(made.config, sort_keys=False, default_flow_style=None, width=120)
        parse(text)
    except (BadCorefile, ConfigProblem, UnicodeDecodeError) as error:
        raise click.ClickException(f"{corefile}: {error}") from None
    for name, value in sorted(made.flags.items()):
        click.echo(f"# understudy run dns --{name}={value}")
    click.echo(text, nl=False)
    for line in made.cannot:
        click.echo(f"{corefile}: {line}", err=True)
    sys.exit(1 if strict and made.cannot else 0)


def _number(kind: str) -> int:
    match = _TYPE.fullmatch(kind.upper())
    number = NUMBERS.get(kind.upper(), int(match[1]) if match else -1)
    if not 0 <= number <= 0xFFFF:
        raise click.UsageError(f"--type {kind}: take one of {', '.join(NUMBERS)}, or TYPE65280 by number")
    return number


def _reversed(name: str, number: int) -> tuple[str, int]:
    try:
        return ip_address(name).reverse_pointer, NUMBERS["PTR"]
    except ValueError:
        return name, number
