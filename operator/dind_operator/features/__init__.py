"""Features of a DindEnvironment, one package for each part of `spec`: fields of the pod, conditions, and owned objects."""
