"""For tests: the fake API server, and the pytest plugin over a real one."""
