"""From a kubeconfig or a Pod's service account to a `Connection`, and from that to a `Transport`.

The command line and the embedding call `load`, then `connect`. The order is client-go's (tools/clientcmd,
rest/config.go): an explicit file, $KUBECONFIG, ~/.kube/config, in-cluster. What would be silently weaker or stronger
than what the user asked for (impersonation, proxies, auth-provider) is refused, not ignored.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from understudy.api import kubeconfig as kube
from understudy.api.tls import check_expiry, present, trust
from understudy.api.tokens import ConfigError, Fixed, FromFile, bearer
from understudy.api.transport import Connection, TokenSource, Transport

__all__ = ["ConfigError", "Connection", "connect", "load"]

Kind = Literal["wire", "aio"]
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def load(
    kubeconfig: Path | None = None,
    context: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
) -> Connection:
    """Find out how to reach the API server. Raises ConfigError."""
    paths = kube.find(kubeconfig, environ)
    if paths:
        return _from_kubeconfig(kube.read(paths), context)
    if context is not None:
        raise ConfigError(f"context {context!r} was asked for, but there is no kubeconfig: name one, or set KUBECONFIG")
    return _in_cluster(environ, service_account)


def connect(connection: Connection, kind: Kind | None = None, size: int = 64) -> Transport:
    """A client with at most `size` connections; UNDERSTUDY_TRANSPORT says which kind, if `kind` does not."""
    chosen = kind or os.environ.get("UNDERSTUDY_TRANSPORT") or "wire"
    if chosen == "wire":
        from understudy.api.wire import Wire

        return Wire(connection, size)
    if chosen == "aio":
        from understudy.api.aio import Aio

        return Aio(connection, size)
    raise ConfigError(f"UNDERSTUDY_TRANSPORT is {chosen!r}; it can be wire or aio")


def _in_cluster(environ: Mapping[str, str], folder: Path) -> Connection:
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise ConfigError(
            "no API server is configured: name a kubeconfig, set KUBECONFIG or write ~/.kube/config"
            " (and this is no Pod: KUBERNETES_SERVICE_HOST is not set)"
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    authority = folder / "ca.crt"
    try:
        context = trust(authority.read_bytes(), str(authority))
    except OSError as error:
        raise ConfigError(f"cannot read {authority}: {error.strerror}; is a service account mounted?") from error
    return Connection(server, context, FromFile(folder / "token"))


def _from_kubeconfig(merged: kube.Kubeconfig, context: str | None) -> Connection:
    cluster_entry, user_entry = kube.pick(merged, context)
    cluster = cluster_entry.convert(kube.Cluster)
    secure = _is_https(cluster.server, cluster_entry)
    settings = _tls(cluster, cluster_entry) if secure else None
    token: TokenSource = Fixed()
    if user_entry is not None:
        user = user_entry.convert(kube.User)
        if settings is not None:
            _show_certificate(settings, user, user_entry)
        token = _token(user, user_entry, cluster_entry, settings)
    return Connection(cluster.server.rstrip("/"), settings, token, cluster.tls_server_name or None)


def _is_https(server: str, entry: kube.Entry) -> bool:
    try:
        url = urlsplit(server)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"the server {server!r} of {entry.where} in {entry.path} is not an http(s) URL")
    return url.scheme == "https"


def _tls(cluster: kube.Cluster, entry: kube.Entry) -> ssl.SSLContext:
    if cluster.proxy_url:
        raise ConfigError(f"{entry.where} in {entry.path} asks for a proxy-url, which is not supported")
    given = kube.content(entry, cluster.certificate_authority_data, cluster.certificate_authority, "authority")
    if cluster.insecure_skip_tls_verify:
        if given is not None:
            raise ConfigError(
                f"{entry.where} in {entry.path} has both a certificate-authority and insecure-skip-tls-verify:"
                " remove one of them"
            )
        context = trust(None, "")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return trust(None, "") if given is None else trust(*given)


def _show_certificate(context: ssl.SSLContext, user: kube.User, entry: kube.Entry) -> None:
    certificate = kube.content(entry, user.client_certificate_data, user.client_certificate, "client certificate")
    key = kube.content(entry, user.client_key_data, user.client_key, "client key")
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise ConfigError(f"{entry.where} in {entry.path} needs a client certificate and its key, not one of them")
    check_expiry(*certificate, datetime.now(UTC))
    present(context, certificate[0], key[0], certificate[1])


def _token(user: kube.User, entry: kube.Entry, cluster: kube.Entry, settings: ssl.SSLContext | None) -> TokenSource:
    if user.auth_provider is not None:
        raise ConfigError(
            f"{entry.where} in {entry.path} uses an auth-provider, which Kubernetes has removed: use an exec plugin"
        )
    if user.as_:
        raise ConfigError(f"{entry.where} in {entry.path} impersonates {user.as_!r}, which is not supported")
    if user.token_file:
        return FromFile(entry.file(user.token_file))
    if user.token:
        return Fixed(bearer(user.token, f"{entry.where} of {entry.path}"))
    if user.exec is not None:
        from understudy.api.plugin import token_source

        return token_source(user.exec, entry, cluster, settings)
    if user.username:
        pair = f"{user.username}:{user.password}".encode()
        return Fixed(b"Basic " + base64.b64encode(pair))
    return Fixed()
