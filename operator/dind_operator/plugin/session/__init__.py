"""A forwarded port of an environment, kept open by a process of its own and shared by the user's commands."""
