"""`understudy run operator`: kopf embedded in our process, with our own connection, as a component like any other.

Made by `understudy.components`. kopf takes SIGTERM and SIGINT for itself once it runs, so `lead` raises Ended when it
was stopped. It keeps no state but on the ControlPlane and posts no Events.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import kopf

from understudy.api.client import Client
from understudy.api.config import load
from understudy.dns.names import DOMAIN
from understudy.loop.process import Component, Ended, Pages
from understudy.loop.rights import Rule
from understudy.operators.custom import schedulerprofile
from understudy.operators.custom.addons import ADDONS
from understudy.operators.custom.addons.keeper import Addons
from understudy.operators.custom.controlplane import FINALIZER, PREFIX, Director, registered
from understudy.operators.custom.dnsrecord import RIGHTS, Registrar, enlisted
from understudy.operators.custom.login import session
from understudy.takeover.leases import Leases

GRACE = 15.0
"""Seconds kopf has to end."""


def make_operator(client: Client, settings: Mapping[str, str], on_fenced: Callable[[], None]) -> Component:
    """The component. Settings: `kubeconfig`, `context`; `webhook-port`, `-cert`, `-key`; `liveness` (a URL)."""
    del on_fenced  # kopf's writes, and ours on Leases, need no fence: they are the same whoever makes them
    return Operator(client, settings)


def operator_rules() -> list[Rule]:
    """The PolicyRules the operator needs; of Leases only those in kube-system."""
    return [
        {"apiGroups": ["understudy.dev"], "resources": ["controlplanes"], "verbs": ["get", "list", "patch", "watch"]},
        {"apiGroups": ["understudy.dev"], "resources": ["schedulerprofiles"], "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": ["understudy.dev"],
            "resources": ["controlplanes/status", "schedulerprofiles/status"],
            "verbs": ["patch"],
        },
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "verbs": ["get", "list", "watch"],
        },
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["create", "get", "list", "patch", "update"],
        },
        {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
        *(rule for addon in ADDONS for rule in addon.rights),
        *RIGHTS,
    ]


class Operator:
    """kopf from `lead` to `stop`."""

    def __init__(self, client: Client, settings: Mapping[str, str]) -> None:
        self._given = settings
        self._director = Director(Leases(client), Addons(client))
        self._registrar = Registrar(client, settings.get("cluster-domain") or DOMAIN)
        self._ready, self._stop = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def unsynced(self) -> list[str]:
        return [] if self._ready.is_set() else ["controlplanes"]

    async def start(self) -> None:
        """There is nothing to keep warm."""

    async def lead(self, *, relist: bool = False) -> None:  # noqa: ARG002 (kopf always lists first)
        """Run kopf until it ends. Raises Ended, or what kopf raised."""
        self._task = asyncio.ensure_future(self._kopf())
        await asyncio.shield(self._task)
        raise Ended

    async def stop(self) -> None:
        """Ask kopf to end, and see that it does."""
        self._stop.set()
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=GRACE)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def pages(self) -> Pages:
        return {}

    async def _kopf(self) -> None:
        given = self._given
        registry = registered(self._director, admission="webhook-port" in given)
        schedulerprofile.register(registry)
        enlisted(registry, self._registrar)
        kopf.on.login(id="connection", registry=registry)(self._login)
        await kopf.operator(
            registry=registry,
            settings=configured(given),
            standalone=True,
            clusterwide=True,
            stop_flag=self._stop,
            ready_flag=self._ready,
            liveness_endpoint=given.get("liveness"),
        )

    async def _login(self, **_: Any) -> kopf.AiohttpSession:
        path = self._given.get("kubeconfig")
        connection = load(Path(path) if path else None, self._given.get("context"))
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=session(connection))


def configured(given: Mapping[str, str]) -> kopf.OperatorSettings:
    """kopf's settings: all it writes down is under our own prefix, and it posts nothing."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.finalizer = FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=PREFIX)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=PREFIX)
    if "webhook-port" in given:
        # Certificates and the ValidatingWebhookConfiguration are the chart's: kopf would need rights to write that.
        settings.admission.server = kopf.WebhookServer(
            port=int(given["webhook-port"]), certfile=given["webhook-cert"], pkeyfile=given["webhook-key"]
        )
    return settings
