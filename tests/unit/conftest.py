"""Properties are not timed: on a machine that builds images beside the tests a deadline fails by chance."""

from hypothesis import settings

settings.register_profile("project", deadline=None)
# For `make matrix`: about 20 seconds for the most expensive property, and some minutes for all of them.
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("project")
