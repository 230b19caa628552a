"""Properties are not timed: on a machine that builds images beside the tests a deadline fails by chance."""

from hypothesis import settings

settings.register_profile("project", deadline=None)
settings.load_profile("project")
