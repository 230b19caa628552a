"""Level-triggered reconciliation of one environment: observe, plan, apply, write status.

A plan is a pure function of the observed state. The API client implements the protocol in ``state.cluster``.
"""
