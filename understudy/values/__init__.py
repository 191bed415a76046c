"""Kubernetes' pure vocabulary: quantities, selectors, times, names, hashes. Imports nothing of ours."""
