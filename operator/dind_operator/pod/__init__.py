"""Parts of the pod that all features share: defaults, metadata, memory, probes, hashes of the spec."""
