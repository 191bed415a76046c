"""Clusters to run the loops on: the embedded one, its toolchain, simulated nodes. Knows processes and files."""
