"""`understudy service-proxy clean`: both families' tables go, and a refusal is said."""

import pytest
from click.testing import CliRunner

from tests.unit.proxy.service.worlds import Table
from understudy.proxy.service.cli import service_proxy


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize(
    ("made_of", "option", "whose"),
    [("kernel.KernelRules", [], "the service proxy"), ("leftovers.KubeProxyRules", ["--kube-proxy"], "kube-proxy")],
)
def test_clean(made_of: str, option: list[str], whose: str, broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[Table] = []

    def made(_: object) -> Table:
        tables.append(Table())
        tables[-1].broken = broken
        return tables[-1]

    monkeypatch.setattr(f"understudy.proxy.service.{made_of}", made)
    result = CliRunner().invoke(service_proxy, ["clean", *option])
    assert all(table.closed and table.log == ["remove"] for table in tables)
    if broken:
        assert (result.exit_code, result.output) == (1, "Error: the kernel is broken\n")
    else:
        assert len(tables) == 2
        assert (result.exit_code, result.output) == (0, f"nothing of {whose} is left on this node\n")
