"""Real clusters by kind: the official node image where it can be pulled, one made here from packages where not."""
