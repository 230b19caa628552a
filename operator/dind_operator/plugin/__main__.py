"""`python -m dind_operator.plugin`, for a checkout that is not installed."""

import sys

from dind_operator.plugin.main import main

if __name__ == "__main__":
    sys.exit(main())
