"""Kubernetes' own control loops, in Python."""

__version__ = "0.1.0"
