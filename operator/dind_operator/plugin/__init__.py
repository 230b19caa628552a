"""`kubectl dind`: what a user does with environments, in words of his own. Every call to the cluster is kubectl's."""
