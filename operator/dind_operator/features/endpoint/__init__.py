"""`spec.endpoint` and `spec.publishedPorts`: Service, certificates, NetworkPolicy."""
