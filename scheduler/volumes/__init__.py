"""What the volume plugins look at: what pods mount, what there is to be bound, and how full nodes are."""
