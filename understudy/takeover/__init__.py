"""Who leads, ours or upstream, seen and directed: shared by the ControlPlane's handlers and the command line."""
