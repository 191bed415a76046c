"""What the keeper asks of the machine it runs on. `linux.LinuxHost` is the one there is; the tests have theirs."""

from collections.abc import Callable, Sequence
from typing import Protocol

from understudy.proxy.network.routes import Plan, Refusal, Route


class HostError(Exception):
    """The machine would not do it; says what and what to do about it."""


class Host(Protocol):
    """Each method may raise HostError."""

    def listen(self, lost: Callable[[], None]) -> None:
        """From now on call `lost` whenever a route of ours is removed."""

    async def mtu(self, addresses: Sequence[str]) -> int | None:
        """That of the interface with one of `addresses`, the first counts most; None if there is none."""

    async def routes(self) -> Sequence[Route]:
        """Our routes in the kernel."""

    async def reroute(self, plan: Plan) -> Sequence[Refusal]:
        """Carry `plan` out; answers what the kernel refused. A route that is there or gone already is none."""

    async def rules(self, table: str) -> str:
        """The nftables table as the kernel holds it, "" if it does not."""

    async def load(self, text: str) -> None:
        """Let nftables take in `text`, whole or not at all."""

    async def forward(self, *, ipv6: bool) -> bool:
        """See to it that packets of that family are forwarded; whether that had to be changed."""

    async def close(self) -> None:
        """Listen no more."""
