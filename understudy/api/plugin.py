"""Exec credential plugins: programs that print an ExecCredential (client.authentication.k8s.io).

`config` imports this only for a user with `exec`, since it takes the official client's ExecProvider, whose import is
what our own kubeconfig reader saves. Upstream: client-go's plugin/pkg/client/auth/exec.
"""

from __future__ import annotations

import math
import ssl
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.exec_provider import ExecProvider
from kubernetes.config.kube_config import ConfigNode

from understudy.api.kubeconfig import Entry
from understudy.api.tls import check_expiry, present
from understudy.api.tokens import ConfigError, Credential, FromPlugin


class _Status(msgspec.Struct, rename="camel"):
    """The `status` of an ExecCredential."""

    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


def token_source(exec_: dict[str, Any], user: Entry, cluster: Entry, settings: ssl.SSLContext | None) -> FromPlugin:
    """Run the plugin of a user once, and again whenever its credential runs out. Raises ConfigError."""
    return FromPlugin(lambda: _credential(_run(exec_, user, cluster), user, settings, datetime.now(UTC)))


def _run(exec_: dict[str, Any], user: Entry, cluster: Entry) -> _Status:
    command = exec_.get("command", "")
    name = f"the exec plugin {command!r} of {user.where}"
    try:
        provider = ExecProvider(ConfigNode("exec", exec_), str(user.path.parent), ConfigNode("cluster", cluster.fields))
        return msgspec.convert(provider.run(), _Status)
    except ConfigException as error:
        raise ConfigError(f"{name} failed: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name} gave a broken ExecCredential: {error}") from error
    except OSError as error:
        hint = f"; {exec_['installHint'].strip()}" if exec_.get("installHint") else ""
        raise ConfigError(f"{name} cannot be run: {error.strerror}{hint}") from error


def _credential(status: _Status, user: Entry, settings: ssl.SSLContext | None, now: datetime) -> Credential:
    where = f"the answer of the exec plugin of {user.where}"
    certificate, key = status.client_certificate_data, status.client_key_data
    if certificate and key and settings is not None:
        check_expiry(certificate.encode(), where, now)
        present(settings, certificate.encode(), key.encode(), where)
    elif not status.token:
        raise ConfigError(f"{where} has neither a token nor a client certificate with its key")
    return Credential(status.token or None, _lasts(status.expiration_timestamp, now))


def _lasts(end: datetime | None, now: datetime) -> float:
    return math.inf if end is None else (end - now).total_seconds()
