"""`spec.workloads`: containers beside the daemon."""
