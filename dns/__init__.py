"""Cluster DNS will live here; nothing is written yet."""
