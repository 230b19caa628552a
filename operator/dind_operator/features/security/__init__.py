"""`spec.security`: security modes, AppArmor, user namespaces."""
