"""`understudy image build`: the product image, in the engine of this machine.

Wired into the command line by `understudy/cli.py`; `python -m understudy.cluster.image` is the same.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import click

from understudy import __version__
from understudy.cluster.cli import readable_errors

if TYPE_CHECKING:
    from understudy.cluster.image.bases import Choice


@click.group()
def image() -> None:
    """The image that every component on a cluster runs in."""


@image.command()
@click.option(
    "--base",
    type=click.Choice(["auto", "official", "debootstrap"]),
    default="auto",
    show_default=True,
    help="What it stands on; auto: Python's official image, or a Debian root where that cannot be pulled.",
)
@click.option(
    "--tag", "tags", multiple=True, help=f"A name for it, may be repeated.  [default: understudy:{__version__}]"
)
def build(base: str, tags: Sequence[str]) -> None:
    """Build it if anything in it has changed, and print the tag that names its content."""
    from understudy.cluster.image.build import build as build_image

    def say(text: str) -> None:
        click.echo(text, err=True)

    with readable_errors():
        built = build_image(cast("Choice", base), tags or (f"understudy:{__version__}",), say=say)
    say(f"{', '.join(built.tags)}: {built.size / 1e6:.0f} MB, {'built' if built.fresh else 'unchanged'}")
    click.echo(built.tag)
