"""`understudy engine`: start, stop and look at the container engine that kind clusters need.

Wired into the command line by `understudy/cli.py`.
"""

import sys

import click

from understudy.cluster.cli import readable_errors

NOT_RUNNING = 3


@click.group()
def engine() -> None:
    """The container engine of kind clusters; one that runs already is used as it is."""


@engine.command()
@click.option("--install", is_flag=True, help="Install Debian's engine if there is none (root).")
def start(install: bool) -> None:
    """Return when an engine answers, starting Debian's if none does."""
    from understudy.cluster.engine.daemon import Engine

    with readable_errors():
        Engine.of_user().start(install=install, say=click.echo)


@engine.command()
def stop() -> None:
    """End the engine that `start` started, and with it all its containers. Another engine is left alone."""
    from understudy.cluster.engine.daemon import Engine

    with readable_errors():
        stopped = Engine.of_user().stop()
    click.echo("the engine is stopped" if stopped else "no engine of ours is running")


@engine.command()
def status() -> None:
    """Say which engine answers: exit code 0 if one does, 3 if not."""
    from understudy.cluster.engine import docker

    version = docker.server_version()
    click.echo(f"Docker {version} is running" if version else "no engine answers")
    sys.exit(0 if version else NOT_RUNNING)
