"""The ingress proxy: `networking.k8s.io/v1` Ingresses rendered to routes, served by Envoy, which is told every change.

`routes` computes the table of all routes, `resources` what Envoy has to know for it, `delta` what of that is new;
`ads` tells Envoy. Everything up to `delta` is pure.
"""
