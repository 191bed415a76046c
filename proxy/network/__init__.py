"""The pod network of one node, as kindnetd makes it: addresses, routes and masquerade, from the Node objects alone.

    Nodes ──▶ desired.network_of(name, nodes)                             pure: all that is to hold, whole
                 ├─▶ conflist.render  ──▶ files       /etc/cni/net.d/10-understudy.conflist, for the runtime
                 ├─▶ routes.plan      ──▶ linux       every other node's pods, by that node's address
                 └─▶ masquerade.render ─▶ linux       table inet understudy-network

`keeper` compares what is with what shall be and has the difference applied, when a Node changes, when the kernel tells
of a change, and every few seconds whatever happens. `proxy.agent` runs it on each node. Answers to kindnetd
(sigs.k8s.io/kind, images/kindnetd).
"""
