"""What a DindEnvironment can do, one package for each part of `spec`: what it adds to the pod, what it reports, what it owns."""
