"""Verification that nested containers run in the pod's cgroups."""
