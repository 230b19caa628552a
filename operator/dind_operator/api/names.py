"""Names that users and other programs use: group, labels, annotations, limits."""

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

# An administrator sets this label to enable environments in a namespace: their users can become root on a node.
NAMESPACE_LABEL: Final = f"{GROUP}/environments"
NAMESPACE_LABEL_VALUE: Final = "enabled"

LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_NAME_VALUE: Final = "dind"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_MANAGED_BY_VALUE: Final = "dind-operator"
LABEL_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_ENVIRONMENT: Final = f"{GROUP}/environment"

ANNOTATION_INTENT_HASH: Final = f"{GROUP}/intent-hash"
# On an environment: the time (RFC 3339) before which it does not expire.
ANNOTATION_EXTEND: Final = f"{GROUP}/extend-until"
ANNOTATION_ENVIRONMENT_UID: Final = f"{GROUP}/environment-uid"
# Used by kubelets before 1.30; later ones use the field. The name of the container follows.
ANNOTATION_APPARMOR_PREFIX: Final = "container.apparmor.security.beta.kubernetes.io/"
# Annotation of Cluster Autoscaler.
ANNOTATION_SAFE_TO_EVICT: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict"
# Annotation of Karpenter.
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

# Suffixes of the Secrets of the endpoint, after the name of the environment.
CA_SUFFIX: Final = "-ca"
SERVER_SUFFIX: Final = "-server"
CLIENT_SUFFIX: Final = "-client"

# The NetworkPolicy of all environments in a namespace. No environment can have a name with a dot.
NAMESPACE_POLICY: Final = f"environments.{GROUP}"

# The name is a host name with at most 63 characters, and "-server" or "-client" is appended.
NAME_MAX_LENGTH: Final = 56
NAME_PATTERN: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
# The name of a cluster-scoped object, such as a StorageClass or a RuntimeClass.
SUBDOMAIN_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

# The prefix of a profile on the node in an AppArmor annotation.
APPARMOR_LOCALHOST_PREFIX: Final = "localhost/"
