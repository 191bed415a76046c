"""Cluster DNS in place of CoreDNS: the Kubernetes DNS specification from a table of rendered answers, and a forwarder.

`records` says which names there are, `lookup` what a question about them is answered, `wire` how that is written;
`table` keeps what was written, `server` reads and sends, `forward` asks others. `component` puts them together.
"""
