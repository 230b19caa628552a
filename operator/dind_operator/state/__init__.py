"""The state of one environment as it was observed, and what is derived from it. Pure; features and the controller read it."""
