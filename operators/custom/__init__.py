"""Our own custom resources: kopf handlers, and the pure functions that decide for them."""
