"""Shared paths and environment variables of the containers."""

SOCKET = "/run/dind/docker.sock"
DATA_ROOT = "/var/lib/docker"
INTENT_VARIABLE = "DIND_INTENT_HASH"
"""The hash is in the environment of a container, which is immutable. The annotation only shows it."""
BUILD_VARIABLE = "DIND_BUILD_HASH"
CREDENTIALS_VARIABLE = "DIND_CREDENTIALS"
"""Fingerprints and times of the certificates in the server Secret when the pod was created. They are not secret, and they are in
neither hash, because a renewal changes neither the spec nor the operator."""
