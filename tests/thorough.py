"""Whether this run is a thorough one: DIND_TEST_THOROUGH=1, which `make matrix` sets.

A thorough run searches more examples of every property.
"""

import os

THOROUGH = os.environ.get("DIND_TEST_THOROUGH") == "1"
