"""The scheduler: assigns pods to nodes, in place of kube-scheduler. `component` is where a process begins."""
