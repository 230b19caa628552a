"""A session: a forwarded port of an environment, which a background process keeps open and the user's commands share."""
