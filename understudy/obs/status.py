"""Answering in upstream's place when the API server asks how its processes are: `kubectl get componentstatuses`.

The API server asks https://127.0.0.1:10257/healthz for the controller manager and :10259 for the scheduler, and looks
at no certificate (pkg/registry/core/componentstatus and rest/storage_core.go of Kubernetes). `loop.process` calls this
where it was told to, which is only right where upstream does not run: it could not listen beside ours.
"""

import logging
import ssl
from pathlib import Path

from understudy.obs.health import HealthServer

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


async def answer(health: HealthServer, port: int, certificate: Path, key: Path) -> None:
    """Let `health` listen there too, over TLS; who has the port already answers in our place. Raises OSError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    try:
        await health.start(LOOPBACK, port, context)
    except OSError as error:
        log.warning("not answering for upstream at port %d, where the API server asks: %s", port, error)
