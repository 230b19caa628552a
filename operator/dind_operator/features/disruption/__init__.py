"""`spec.disruption`: the PodDisruptionBudget."""
