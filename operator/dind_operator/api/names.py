"""Every name users and other programs meet: group, labels, annotations, limits. In one place, so that none drifts."""

from __future__ import annotations

from typing import Final

GROUP: Final = "dind.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "DindEnvironment"
LIST_KIND: Final = "DindEnvironmentList"
PLURAL: Final = "dindenvironments"
SINGULAR: Final = "dindenvironment"
SHORT_NAME: Final = "dind"
CATEGORY: Final = "dind"
CRD_NAME: Final = f"{PLURAL}.{GROUP}"

# A namespace is served only when an administrator labelled it so: an environment is root on a node.
NAMESPACE_LABEL: Final = f"{GROUP}/environments"
NAMESPACE_LABEL_VALUE: Final = "enabled"

LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_NAME_VALUE: Final = "dind"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_MANAGED_BY_VALUE: Final = "dind-operator"
LABEL_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_ENVIRONMENT: Final = f"{GROUP}/environment"

ANNOTATION_INTENT_HASH: Final = f"{GROUP}/intent-hash"
# On an environment: the time (RFC 3339) before which it does not expire, whatever its lifetime says.
ANNOTATION_EXTEND: Final = f"{GROUP}/extend-until"
ANNOTATION_ENVIRONMENT_UID: Final = f"{GROUP}/environment-uid"
# Read by kubelets before 1.30; later ones read the field. Followed by the container's name.
ANNOTATION_APPARMOR_PREFIX: Final = "container.apparmor.security.beta.kubernetes.io/"
# Cluster Autoscaler's.
ANNOTATION_SAFE_TO_EVICT: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict"
# Karpenter's.
ANNOTATION_DO_NOT_DISRUPT: Final = "karpenter.sh/do-not-disrupt"
ANNOTATION_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"

INIT_CONTAINER: Final = "mount-cgroups"
DAEMON_CONTAINER: Final = "daemon"
VOLUME_DOCKER_DATA: Final = "docker-data"
VOLUME_TOOL: Final = "dind-tool"
VOLUME_SOCKET: Final = "dind-socket"
VOLUME_ENDPOINT: Final = "dind-endpoint"
VOLUME_WORKSPACE: Final = "dind-workspace"
VOLUME_CLI: Final = "dind-cli"
VOLUME_REGISTRY: Final = "dind-registry"

# Secrets of the endpoint, by what is appended to the environment's name.
CA_SUFFIX: Final = "-ca"
SERVER_SUFFIX: Final = "-server"
CLIENT_SUFFIX: Final = "-client"

# A Service's name is a DNS-1035 label of at most 63 characters, and "-server" and "-client" are appended to ours.
NAME_MAX_LENGTH: Final = 56
NAME_PATTERN: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
# The name of a cluster-scoped object, such as a StorageClass or a RuntimeClass.
SUBDOMAIN_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

# The kubelet's name for "no profile file": what stands in an annotation before the name of a profile on the node.
APPARMOR_LOCALHOST_PREFIX: Final = "localhost/"
