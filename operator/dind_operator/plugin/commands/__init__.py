"""The commands of `kubectl dind`."""
