"""What an environment should look like on the cluster: pure functions from spec and settings to plain dicts.

Nothing here reads the cluster or the clock, so that the same input always gives the same objects (and the same hash).
Plain dicts, not client models: building a ``V1Pod`` costs 350 µs, a dict 20 µs.
"""
