"""How many examples a property test tries, and that a gate tries the same ones each time.

The profile "gate" is the default: the same examples in every run, so that a run fails only because of a change in the
code. The profile "thorough" searches further and differently each time: ``DIND_TEST_THOROUGH=1 make unit``. Neither
limits the time of an example, because a busy machine would then fail a test by chance.
"""

from hypothesis import settings
from tests.thorough import THOROUGH

# 100 is the default of hypothesis. The most expensive property takes about a second with it.
settings.register_profile("gate", max_examples=100, derandomize=True, deadline=None)
# About 20 seconds for the most expensive property, and some minutes for all of them.
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile("thorough" if THOROUGH else "gate")
