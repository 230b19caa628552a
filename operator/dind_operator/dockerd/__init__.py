"""What the operator knows of dockerd's settings."""
