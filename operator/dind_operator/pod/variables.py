"""Paths and variables of the pod's containers that more than one part of the operator knows."""

SOCKET = "/run/dind/docker.sock"
DATA_ROOT = "/var/lib/docker"
INTENT_VARIABLE = "DIND_INTENT_HASH"
"""The hash lives in a container's environment, which nobody can edit; the annotation only shows it."""
BUILD_VARIABLE = "DIND_BUILD_HASH"
CREDENTIALS_VARIABLE = "DIND_CREDENTIALS"
"""Which of the endpoint's certificates the server Secret held when the pod was made: their fingerprints and times, nothing
secret. In neither hash: a renewal is no change of the spec and none of the operator."""
