"""The addresses of Services on one node, in place of kube-proxy: a constant set of nftables rules over maps of data.

    Services, EndpointSlices, own Node
        ├─▶ ports       one ServicePort a port and IP family                 pure
        ├─▶ endpoints   which endpoints serve it on this node                pure
        ├─▶ elements    what that is as elements of sets and maps            pure
        └─▶ model       all of it, and what one change changes               pure
                 └─▶ kernel ─▶ netlink     one transaction: the changes, or everything

No rule names a Service. `layout` has the fixed sets and chains, `plans` the few chains per way of choosing (so many
endpoints, so long an affinity), both as statements (`statements`), which `encode` writes for the kernel and `trace`
plays for one packet. `keeper` runs it all, `agent` makes the component. Answers to pkg/proxy/nftables.
"""
