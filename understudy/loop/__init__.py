"""What runs controllers: queue, declarations, runner, manager, Lease, process."""
