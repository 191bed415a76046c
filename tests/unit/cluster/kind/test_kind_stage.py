"""What a kind cluster's chart is told for the add-ons that are taken over."""

from understudy.cluster.kind.provider import KindCluster
from understudy.cluster.kind.stage import ADDONS


class Answering(KindCluster):
    def kubectl(self, *arguments: str, text: str | None = None, timeout: float = 120.0) -> str:
        assert arguments[:2] == ("get", "nodes")
        return "172.18.0.4 fc00::4"


def test_the_service_proxy_is_told_where_the_api_server_is() -> None:
    assert ADDONS["service-proxy"](Answering()) == ["serviceProxy.enabled=true", "apiServer.host=172.18.0.4"]
