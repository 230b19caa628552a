"""`spec.registry` and `spec.daemon.preload`: mirrors, CAs, credentials, and images that are pulled at the start."""
