"""What a process knows of the cluster: stores by kind, and the view a decision gets of them."""
