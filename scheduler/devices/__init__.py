"""Dynamic resource allocation: which devices there are near a node, who has them, and which a claim would get."""
