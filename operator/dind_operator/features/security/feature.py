"""The security modes and AppArmor."""

from dind_operator.features.security import pod, user_namespaces
from dind_operator.state.feature import Feature

FEATURE = Feature(name="security", pod=pod.part, assess=user_namespaces.assess)
