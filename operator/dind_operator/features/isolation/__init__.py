"""Whether nested containers stay inside the pod's cgroups."""
