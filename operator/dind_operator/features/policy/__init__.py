"""The policy of the installation: restrictions for environments."""
