"""What the installation lets environments ask for."""
