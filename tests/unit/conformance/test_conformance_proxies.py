"""Whether a node has anything of kube-proxy, from what nft lists."""

from tests.conformance.proxies import traces

OURS = """table ip understudy-services {
	chain services {
	}
}
table ip6 understudy-services {
	chain services {
	}
}
"""
OTHERS = """table ip understudy {
	chain masquerade {
		type nat hook postrouting priority srcnat; policy accept;
	}
}
table ip mangle {
	chain KUBE-KUBELET-CANARY {
	}
}
"""


def test_a_node_with_ours_alone_is_fine() -> None:
    assert traces("node", OURS + OTHERS) == []


def test_kube_proxy_is_found_in_both_its_modes() -> None:
    nftables = "table ip6 kube-proxy {\n\tchain services {\n\t}\n}\n"
    iptables = "table ip nat {\n\tchain KUBE-SVC-X {\n\t}\n\tchain KUBE-SERVICES {\n\t}\n}\n"
    assert traces("node", OURS + nftables + iptables) == [
        "node has rules of kube-proxy in table ip nat",
        "node has rules of kube-proxy in table ip6 kube-proxy",
    ]


def test_a_node_without_ours_is_found() -> None:
    assert traces("node", OTHERS) == [
        "node has no table ip understudy-services",
        "node has no table ip6 understudy-services",
    ]
