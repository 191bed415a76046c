"""Services reached on a laptop, without root: a small forwarder on loopback addresses in place of nftables.

understudy run service-proxy --mode userspace
    ├─▶ proxy.service.keeper   the same model of rules, kept up by the same changes; no kernel holds it
    ├─▶ doors                  which loopback address and port stands for which address of a Service      pure
    ├─▶ choice                 the rules played for one connection (`proxy.service.trace`)                pure
    └─▶ forwarder              listens there; tcp and udp carry the bytes
"""
