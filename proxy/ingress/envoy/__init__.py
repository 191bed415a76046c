"""Envoy as the data plane: what it has to know for a route table, and how it is told (xDS, the delta protocol)."""
