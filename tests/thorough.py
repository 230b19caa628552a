"""Whether this run is thorough (DIND_TEST_THOROUGH=1, which `make matrix` sets). It then tries more examples of every property."""

import os

THOROUGH = os.environ.get("DIND_TEST_THOROUGH") == "1"
