"""What a node does for the network: pods reach each other (`network`), Services have addresses (`service`)."""
