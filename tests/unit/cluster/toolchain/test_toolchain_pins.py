"""The pins against the module files they must agree with, and against what the real programs print."""

import re

import pytest

from understudy.cluster.toolchain import EMBEDDED, TOOLS, UPSTREAM, Tool
from understudy.cluster.toolchain.pins import (
    ETCD,
    GINKGO,
    GO_BIN,
    GROUPS,
    HELM,
    KIND,
    KUBERNETES,
    KWOK,
    MODULES,
    minor_of,
)

PINNED_MODULES = [
    ("kubernetes", "k8s.io/kubernetes", KUBERNETES),
    ("etcd", "go.etcd.io/etcd/server/v3", ETCD),
    ("etcd", "go.etcd.io/etcd/etcdctl/v3", ETCD),
    ("kwok", "sigs.k8s.io/kwok", KWOK),
    ("kind", "sigs.k8s.io/kind", KIND),
    ("helm", "helm.sh/helm/v3", HELM),
    ("kubernetes", "github.com/onsi/ginkgo/v2", GINKGO),
]


@pytest.mark.parametrize(("folder", "module", "version"), PINNED_MODULES)
def test_go_mod_requires_the_pinned_version(folder: str, module: str, version: str) -> None:
    text = (MODULES / folder / "go.mod").read_text()
    assert re.search(rf"^(?:require|\t) ?{re.escape(module)} v(\S+)$", text, re.MULTILINE)[1] == version  # type: ignore[index]


@pytest.mark.parametrize(("folder", "module", "version"), PINNED_MODULES)
def test_go_sum_holds_the_hash_of_source_and_go_mod(folder: str, module: str, version: str) -> None:
    text = (MODULES / folder / "go.sum").read_text()
    assert f"\n{module} v{version} h1:" in text
    assert f"\n{module} v{version}/go.mod h1:" in text


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_package_is_kept_by_tools_go(tool: Tool) -> None:
    assert f'_ "{tool.package}"\n' in (tool.module_dir / "tools.go").read_text()


def test_staging_modules_are_replaced_by_the_matching_release() -> None:
    text = (MODULES / "kubernetes" / "go.mod").read_text()
    versions = set(re.findall(r"=> k8s\.io/\S+ (\S+)", text))
    assert versions == {f"v0.{KUBERNETES.removeprefix('1.')}"}


def test_modules_leave_the_choice_of_go_to_the_user() -> None:
    for folder in {tool.module for tool in TOOLS.values()}:
        text = (MODULES / folder / "go.mod").read_text()
        wanted = re.search(r"^go (\S+)$", text, re.MULTILINE)
        assert wanted is not None
        assert minor_of(wanted[1]) <= minor_of(GO_BIN)
        assert "\ntoolchain " not in text


def test_groups_name_known_tools_and_do_not_overlap() -> None:
    assert {name for group in GROUPS.values() for name in group} < set(TOOLS)
    assert not {*EMBEDDED} & {*UPSTREAM}


@pytest.mark.parametrize(
    ("name", "printed", "version"),
    [
        ("etcd", "etcd Version: 3.6.16\nGit SHA: Not provided\nGo Version: go1.26.6\n", "3.6.16"),
        ("etcdctl", "etcdctl version: 3.6.16\nAPI version: 3.6\n", "3.6.16"),
        ("kube-apiserver", "Kubernetes v1.34.4\n", "1.34.4"),
        ("kube-scheduler", "Kubernetes v1.35.0-alpha.1\n", "1.35.0-alpha.1"),
        ("kubectl", "Client Version: v1.34.4\nKustomize Version: v5.7.1\n", "1.34.4"),
        ("kwok", "kwok version v0.8.0 go1.26.6 (linux/amd64)\n", "0.8.0"),
        ("kubectl", "Kustomize Version: v5.7.1\n", None),
        ("kind", "kind version 0.33.0\n", "0.33.0"),
        ("helm", "v3.21.4+g1a2b3c\n", "3.21.4"),
        ("kubeadm", "v1.34.4\n", "1.34.4"),
        ("e2e.test", "v1.34.4\n", "1.34.4"),
        ("ginkgo", "Ginkgo Version 2.21.0\n", "2.21.0"),
        ("agnhost", "app version 2.56\n", "2.56"),
    ],
)
def test_version_is_read_from_what_the_program_prints(name: str, printed: str, version: str | None) -> None:
    assert TOOLS[name].read_version(printed) == version


@pytest.mark.parametrize(
    ("version", "fits"),
    [("1.34.4", True), ("1.34.0", True), ("1.34.9-rc.1", True), ("1.33.4", False), ("1.3.4", False), ("2.34.4", False)],
)
def test_the_same_minor_release_fits(version: str, fits: bool) -> None:
    assert TOOLS["kube-apiserver"].fits(version) is fits


def test_kubernetes_is_stamped_for_server_and_client() -> None:
    ldflags = TOOLS["kube-apiserver"].ldflags
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert f"-X {package}.gitVersion=v{KUBERNETES}" in ldflags
        assert f"-X {package}.gitMinor=34" in ldflags
        assert f"-X {package}.gitTreeState=clean" in ldflags
