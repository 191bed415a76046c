"""Each kind as a struct of the fields a loop reads, and where it lives on the API server."""
