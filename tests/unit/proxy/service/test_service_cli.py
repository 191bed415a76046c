"""`understudy service-proxy clean`: both families' tables go, and a refusal is said."""

import pytest
from click.testing import CliRunner

from tests.unit.proxy.service.worlds import Table
from understudy.proxy.service.cli import service_proxy


@pytest.mark.parametrize("broken", [False, True])
def test_clean(broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[Table] = []

    def made(_: object) -> Table:
        tables.append(Table())
        tables[-1].broken = broken
        return tables[-1]

    monkeypatch.setattr("understudy.proxy.service.kernel.KernelRules", made)
    result = CliRunner().invoke(service_proxy, ["clean"])
    assert all(table.closed and table.log == ["remove"] for table in tables)
    if broken:
        assert (result.exit_code, result.output) == (1, "Error: the kernel is broken\n")
    else:
        assert len(tables) == 2
        assert (result.exit_code, result.output) == (0, "nothing of the service proxy is left on this node\n")
