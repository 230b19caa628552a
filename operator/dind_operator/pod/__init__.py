"""What every part of the pod's manifest shares: defaults, metadata, memory, probes, the hash of the spec."""
