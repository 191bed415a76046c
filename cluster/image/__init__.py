"""The product image: one for every component, built on an official Python image or on a Debian root made here.

`build` is the front door. Not to be confused with `cluster/images`, the stand-ins for other projects' images.
"""
