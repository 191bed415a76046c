"""The pytest plugin: a real API server with our loops for tests of operators (entry point `pytest11`)."""
