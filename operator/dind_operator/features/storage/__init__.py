"""`spec.storage`: the volume at /var/lib/docker."""
