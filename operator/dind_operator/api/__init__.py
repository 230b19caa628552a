"""The API: the models of the DindEnvironment, its conditions and reasons.

This package imports no other package of the operator.
"""
