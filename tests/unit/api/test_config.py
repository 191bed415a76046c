"""Finding the API server: kubeconfig files, service accounts, certificates, exec plugins, and clear errors."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from understudy.api.config import ConfigError, connect, load
from understudy.api.tokens import FromFile, FromPlugin
from understudy.api.transport import Connection, Lost

if TYPE_CHECKING:
    from tests.unit.api.conftest import Certificates, Serve

Fields = dict[str, Any]


def config(
    cluster: Fields | None = None, user: Fields | None = None, name: str = "a", current: str | None = "a"
) -> Fields:
    """A kubeconfig with one cluster, one user and one context, all of the same name."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "clusters": [{"name": name, "cluster": cluster or {"server": f"http://{name}.example:8080/"}}],
        "users": [{"name": name, "user": user or {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


class Home:
    """A folder with kubeconfigs in it, and an environment that knows of nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"HOME": str(folder)}

    def write(self, content: Fields | str, name: str = "kubeconfig") -> Path:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    def load(self, content: Fields | str | None = None, context: str | None = None) -> Connection:
        """Load a kubeconfig, or what the environment leads to."""
        path = None if content is None else self.write(content)
        return load(path, context, environ=self.environ, service_account=self.folder / "service-account")

    def error(self, content: Fields | str | None = None, context: str | None = None) -> str:
        """The text of the ConfigError it raises."""
        with pytest.raises(ConfigError) as raised:
            self.load(content, context)
        return str(raised.value).replace(str(self.folder), "~")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home."""
    return Home(tmp_path)


def data(pem: bytes) -> str:
    """PEM as a kubeconfig holds it."""
    return base64.b64encode(pem).decode()


# -- which file, which context ---------------------------------------------------------------------------------------


def test_explicit_file_before_environment_before_home(home: Home) -> None:
    home.write(config(name="home", current="home"), ".kube/config")
    assert home.load().server == "http://home.example:8080"
    home.environ["KUBECONFIG"] = str(home.write(config(name="env", current="env"), "env"))
    assert home.load().server == "http://env.example:8080"
    assert home.load(config(name="told", current="told")).server == "http://told.example:8080"


def test_files_are_merged_and_the_first_wins(home: Home) -> None:
    first = config({"server": "http://first:1"}, name="a", current="")
    second = config({"server": "http://second:2"}, name="a", current="b")
    second["clusters"] += config({"server": "http://b:2"}, name="b")["clusters"]
    second["contexts"].append({"name": "b", "context": {"cluster": "b"}})
    third = config(name="c", current="c")
    paths = [home.write(each, name) for name, each in (("1", first), ("2", second), ("3", third))]
    home.environ["KUBECONFIG"] = ":".join(map(str, (paths[0], home.folder / "missing", "", *paths[1:])))
    assert home.load().server == "http://b:2"  # the first current-context that is not empty
    assert home.load(context="a").server == "http://first:1"
    assert home.load(context="c").server == "http://c.example:8080"


def test_json_is_a_kubeconfig_too(home: Home) -> None:
    assert home.load(json.dumps(config())).server == "http://a.example:8080"


def test_nulls_are_as_good_as_nothing(home: Home) -> None:
    text = """
    current-context: a
    users: null
    clusters: [{name: a, cluster: {server: "http://x:1", certificate-authority: null}}]
    contexts: [{name: a, context: {cluster: a, user: null, namespace: default}}]
    """
    loaded = home.load(text)
    assert (loaded.server, loaded.ssl, loaded.token.header()) == ("http://x:1", None, None)


@pytest.mark.parametrize(
    ("content", "context", "message"),
    [
        ("a: [", None, "~/kubeconfig is not YAML: line 2: did not find"),
        ("users: [{name: a, user: {token: hush}}]\n\t- x", None, "~/kubeconfig is not YAML: line 2: found character"),
        ("just words", None, "~/kubeconfig is not a kubeconfig: Expected `object`, got `str`"),
        ("clusters: {}", None, "~/kubeconfig is not a kubeconfig: Expected `array | null`, got `object`"),
        ("", None, "no current-context is set in ~/kubeconfig; name a context: none"),
        (config(current=None), None, "no current-context is set in ~/kubeconfig; name a context: a"),
        (config(), "b", "context 'b', which is not in ~/kubeconfig; there are: a"),
        (config({"server": 5}), None, "cluster 'a' in ~/kubeconfig is not a kubeconfig: Expected `str`, got `int`"),
        (config({"server": ""}), None, "the server '' of cluster 'a' in ~/kubeconfig is not an http(s) URL"),
        (config({"server": "ftp://x"}), None, "the server 'ftp://x' of cluster 'a' in ~/kubeconfig is not"),
        (config({"server": "https://x:port"}), None, "the server 'https://x:port' of cluster 'a'"),
        (config({"server": "https://x", "proxy-url": "http://p"}), None, "asks for a proxy-url, which is not supp"),
        (config(user={"auth-provider": {"name": "gcp"}}), None, "uses an auth-provider, which Kubernetes has removed"),
        (config(user={"as": "root"}), None, "user 'a' in ~/kubeconfig impersonates 'root', which is not supported"),
        (config(user={"token": "a b\n"}), None, None),
        (config(user={"token": "a\nb"}), None, "the token in user 'a' of ~/kubeconfig is broken"),
        (config(user={"tokenFile": "no/token"}), None, "cannot read the token file ~/no/token: No such file"),
    ],
)
def test_what_is_wrong_is_said(home: Home, content: Fields | str, context: str | None, message: str | None) -> None:
    if message is None:
        home.load(content, context)
        return
    error = home.error(content, context)
    assert message in error
    assert "hush" not in error


@pytest.mark.parametrize("what", ["cluster", "user"])
def test_context_that_names_what_is_not_there(home: Home, what: str) -> None:
    content = config()
    content["contexts"][0]["context"][what] = "gone"
    expected = f"context 'a' names {what} 'gone', which is not in ~/kubeconfig; there are: a"
    assert home.error(content) == expected


def test_missing_files(home: Home) -> None:
    with pytest.raises(ConfigError, match="there is no kubeconfig /no/such"):
        load(Path("/no/such"), environ=home.environ)
    home.environ["KUBECONFIG"] = "/no/such:/nor/this"
    assert home.error() == "KUBECONFIG is /no/such:/nor/this, but there is no such file"
    del home.environ["KUBECONFIG"]
    assert "name a kubeconfig, set KUBECONFIG or write ~/.kube/config" in home.error()
    assert "context 'a' was asked for, but there is no kubeconfig" in home.error(context="a")


# -- service accounts ------------------------------------------------------------------------------------------------


def service_account(home: Home, certificates: Certificates) -> Path:
    """Mount one."""
    home.environ |= {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    home.write(certificates.authority.decode(), "service-account/ca.crt")
    return home.write("of-the-pod", "service-account/token")


def test_in_cluster(home: Home, certificates: Certificates) -> None:
    service_account(home, certificates)
    loaded = home.load()
    assert loaded.server == "https://[fd00::1]:443"
    assert loaded.token.header() == b"Bearer of-the-pod"
    assert isinstance(loaded.token, FromFile)
    assert loaded.ssl is not None
    assert loaded.ssl.verify_mode is ssl.CERT_REQUIRED
    assert len(loaded.ssl.get_ca_certs()) == 1


def test_kubeconfig_wins_over_the_service_account(home: Home, certificates: Certificates) -> None:
    service_account(home, certificates)
    assert home.load(config()).server == "http://a.example:8080"


@pytest.mark.parametrize("missing", ["ca.crt", "token"])
def test_service_account_that_is_not_mounted(home: Home, certificates: Certificates, missing: str) -> None:
    (service_account(home, certificates).parent / missing).unlink()
    assert f"~/service-account/{missing}: No such file or directory" in home.error()


# -- tokens and certificates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({}, None),
        ({"token": "t"}, b"Bearer t"),
        ({"tokenFile": "token"}, b"Bearer from-file"),
        ({"token": "t", "tokenFile": "token"}, b"Bearer from-file"),
        ({"username": "u", "password": "p:w"}, b"Basic " + base64.b64encode(b"u:p:w")),
    ],
)
def test_authorization(home: Home, user: Fields, header: bytes | None) -> None:
    home.write("from-file\n", "token")
    assert home.load(config(user=user)).token.header() == header


def test_relative_paths_count_from_their_own_file(home: Home, certificates: Certificates) -> None:
    home.write(certificates.authority.decode(), "pki/ca.crt")
    home.write("deep", "deep/token")
    cluster = home.write(config({"server": "https://x", "certificate-authority": "pki/ca.crt"}, name="a"), "1")
    users = {"users": [{"name": "u", "user": {"tokenFile": "token"}}], "current-context": "mixed"}
    users["contexts"] = [{"name": "mixed", "context": {"cluster": "a", "user": "u"}}]
    first = yaml.safe_load(cluster.read_text()) | {"current-context": ""}
    home.write(first, "1")
    home.environ["KUBECONFIG"] = f"{cluster}:{home.write(users, 'deep/2')}"
    loaded = home.load()
    assert loaded.token.header() == b"Bearer deep"
    assert loaded.ssl is not None
    assert len(loaded.ssl.get_ca_certs()) == 1


def client_user(certificates: Certificates, days: float = 1) -> Fields:
    """A user with a client certificate."""
    certificate, key = certificates.issue("system:admin", days=days)
    return {"client-certificate-data": data(certificate), "client-key-data": data(key)}


@pytest.mark.parametrize("kind", ["wire", "aio"])
async def test_client_certificate_is_shown(home: Home, certificates: Certificates, serve: Serve, kind: Any) -> None:
    server = await serve(tls=certificates.server(ask_client=True))
    cluster = {"server": server.url, "certificate-authority-data": data(certificates.authority)}
    client = connect(home.load(config(cluster, client_user(certificates))), kind)
    assert (await client.request("GET", "/api")).status == 200
    await client.close()
    anonymous = connect(home.load(config(cluster)), kind)
    with pytest.raises(Lost):
        await anonymous.request("GET", "/api")
    await anonymous.close()


@pytest.mark.parametrize("kind", ["wire", "aio"])
async def test_insecure_and_server_name(home: Home, certificates: Certificates, serve: Serve, kind: Any) -> None:
    server = await serve(tls=certificates.server())
    trusted = {"certificate-authority-data": data(certificates.authority)}
    for more, works in (
        ({"insecure-skip-tls-verify": True}, True),
        (trusted, True),
        (trusted | {"tls-server-name": "localhost"}, True),
        (trusted | {"tls-server-name": "elsewhere"}, False),
        ({}, False),
    ):
        client = connect(home.load(config({"server": server.url} | more)), kind)
        if works:
            assert (await client.request("GET", "/api")).status == 200
        else:
            with pytest.raises(Lost, match="certificate verify failed"):
                await client.request("GET", "/api")
        await client.close()


def test_expired_client_certificate(home: Home, certificates: Certificates) -> None:
    user = client_user(certificates, days=-3)
    error = home.error(config({"server": "https://x"}, user))
    assert error.startswith("the client certificate in user 'a' of ~/kubeconfig expired on 20")
    home.write(base64.b64decode(user["client-certificate-data"]).decode(), "c.crt")
    from_file = {"client-certificate": "c.crt", "client-key-data": user["client-key-data"]}
    assert home.error(config({"server": "https://x"}, from_file)).startswith(
        "the client certificate in ~/c.crt expired"
    )


def test_certificates_that_cannot_be_used(home: Home, certificates: Certificates) -> None:
    good, other = client_user(certificates), client_user(certificates)
    https = {"server": "https://x"}
    for cluster, user, message in (
        (https, good | {"client-key-data": other["client-key-data"]}, "cannot be used: KEY_VALUES_MISMATCH"),
        (https, {"client-key-data": good["client-key-data"]}, "needs a client certificate and its key"),
        (https, good | {"client-certificate-data": "%"}, "the client certificate of user 'a' in ~/kubeconfig is not b"),
        (https, good | {"client-certificate-data": data(b"x")}, "user 'a' of ~/kubeconfig is not a PEM certificate"),
        (https, {"client-certificate": "no", "client-key": "no"}, "cannot read the client certificate ~/no: no such"),
        (https | {"certificate-authority-data": data(b"x")}, {}, "the certificate authority in cluster 'a' of ~"),
        (https | {"certificate-authority": "no.crt"}, {}, "cannot read the authority ~/no.crt: no such file"),
        (
            https | {"certificate-authority-data": data(certificates.authority), "insecure-skip-tls-verify": True},
            {},
            "has both a certificate-authority and insecure-skip-tls-verify",
        ),
    ):
        assert message in home.error(config(cluster, user))


# -- exec plugins ----------------------------------------------------------------------------------------------------

API = "client.authentication.k8s.io/v1"


def plugin(home: Home, script: str, **more: Any) -> Fields:
    """A user whose credential comes from a shell script."""
    home.write(f"#!/bin/sh\n{script}\n", "plugin").chmod(0o755)
    return {"exec": {"apiVersion": API, "command": "./plugin", "interactiveMode": "Never"} | more}


def credential(**status: Any) -> str:
    """A script that prints an ExecCredential."""
    return f"echo '{json.dumps({'apiVersion': API, 'kind': 'ExecCredential', 'status': status})}'"


async def test_exec_plugin(home: Home) -> None:
    script = 'echo run >> runs; T=$PREFIX$(wc -l < runs | tr -d " "); ' + credential(token="$T").replace("$T", "'$T'")
    loaded = home.load(config(user=plugin(home, script, env=[{"name": "PREFIX", "value": "t"}])))
    assert isinstance(loaded.token, FromPlugin)
    assert loaded.token.header() == b"Bearer t1"
    assert await loaded.token.refresh(b"Bearer t1")
    assert loaded.token.header() == b"Bearer t2"


def test_exec_plugin_with_expiry(home: Home) -> None:
    never = home.load(config(user=plugin(home, credential(token="t"))))
    soon = home.load(config(user=plugin(home, credential(token="t", expirationTimestamp="2020-01-01T00:00:00Z"))))
    assert soon.token.due < never.token.due


def test_exec_plugin_that_gives_a_certificate(home: Home, certificates: Certificates) -> None:
    certificate, key = certificates.issue("x")
    script = credential(clientCertificateData=certificate.decode(), clientKeyData=key.decode())
    loaded = home.load(config({"server": "https://x"}, plugin(home, script.replace("\\n", "\\\\n"))))
    assert loaded.token.header() is None


@pytest.mark.parametrize(
    ("script", "more", "message"),
    [
        (
            "echo 'log in first' >&2; exit 3",
            {},
            "'./plugin' of user 'a' failed: exec: process returned 3. log in",
        ),
        ("echo no json", {}, "failed: exec: failed to decode process output"),
        (credential(), {}, "has neither a token nor a client certificate with its key"),
        (credential(token=5), {}, "gave a broken ExecCredential: Expected `str | null`, got `int`"),
        (credential(token="t", expirationTimestamp="soon"), {}, "gave a broken ExecCredential: Invalid RFC3339"),
        (
            "",
            {"command": "/no/such", "installHint": "Get it at x.y\n"},
            "cannot be run: No such file or directory; Get",
        ),
        ("", {"apiVersion": "v2"}, "failed: exec: failed to decode"),
    ],
)
def test_exec_plugin_that_fails(home: Home, script: str, more: Fields, message: str) -> None:
    assert message in home.error(config(user=plugin(home, script, **more)))


def test_official_client_is_imported_for_plugins_only(home: Home) -> None:
    path = home.write(config({"server": "https://x", "insecure-skip-tls-verify": True}, {"token": "t"}))
    code = (
        "import sys; from pathlib import Path; from understudy.api.config import connect, load;"
        f"connect(load(Path({str(path)!r})), 'wire');"
        "print([m for m in ('kubernetes', 'aiohttp', 'cryptography') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


# -- choosing a client -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "kind", "made"),
    [(None, None, "Wire"), ("", None, "Wire"), ("aio", None, "Aio"), ("wire", None, "Wire"), ("aio", "wire", "Wire")],
)
async def test_kind_of_client(
    home: Home, monkeypatch: pytest.MonkeyPatch, variable: str | None, kind: Any, made: str
) -> None:
    monkeypatch.delenv("UNDERSTUDY_TRANSPORT", raising=False)
    if variable is not None:
        monkeypatch.setenv("UNDERSTUDY_TRANSPORT", variable)
    client = connect(home.load(config()), kind)
    assert type(client).__name__ == made
    await client.close()


def test_unknown_kind_of_client(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERSTUDY_TRANSPORT", "carrier-pigeon")
    with pytest.raises(ConfigError, match="UNDERSTUDY_TRANSPORT is 'carrier-pigeon'; it can be wire or aio"):
        connect(home.load(config()))
