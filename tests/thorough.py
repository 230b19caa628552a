"""Whether this run is a thorough one: DIND_TEST_THOROUGH=1, which is for a nightly run, not for every change.

A thorough run searches more examples of every property, and runs every test of the chart with both majors of Helm.
"""

import os

THOROUGH = os.environ.get("DIND_TEST_THOROUGH") == "1"
