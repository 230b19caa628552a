"""Benchmarks: what an operator costs compared with doing without, as ratios of things measured in one run."""
