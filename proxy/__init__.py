"""The service proxy, the pod network and the ingress proxy will live here; nothing is written yet."""
