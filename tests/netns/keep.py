"""A node's keeper as a process on uvloop, for `lab`: `python -m tests.netns.keep NODE FOLDER SECONDS`.

Each line on stdin is the list of all Nodes as JSON; it ends with stdin or at SIGTERM.
"""

import asyncio
import logging
import sys
from pathlib import Path

import msgspec
import uvloop

from understudy.kinds.core import Node
from understudy.proxy.network.keeper import Keeper
from understudy.proxy.network.linux import LinuxHost


async def main(name: str, folder: Path, every: float) -> None:
    """Keep the network of `name`."""
    nodes: list[Node] = []
    host = LinuxHost()
    keeper = Keeper(host, name, lambda: nodes, folder, every=every)
    host.listen(keeper.wake)

    def told() -> None:
        line = sys.stdin.readline()
        if not line:
            running.cancel()
            return
        nodes[:] = msgspec.json.decode(line, type=list[Node])
        keeper.wake()

    running = asyncio.ensure_future(keep(keeper))
    asyncio.get_running_loop().add_reader(sys.stdin, told)
    await running


async def keep(keeper: Keeper) -> None:
    """As `proxy.agent` does."""
    while True:
        await keeper.rest(await keeper.turn())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        uvloop.run(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit(0)
