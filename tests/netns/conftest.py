"""Packets need root, and say so where it is missing."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.lab import PLUGINS, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """An empty LAN."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root: run `sudo make netns`")
    missing = [name for name in ("ip", "nft") if shutil.which(name) is None]
    missing += [] if PLUGINS else ["containernetworking-plugins"]
    assert not missing, (
        f"install these first (apt-get install iproute2 nftables containernetworking-plugins): {missing}"
    )
    with Lab(tmp_path) as made:
        yield made
        made.check_logs()
