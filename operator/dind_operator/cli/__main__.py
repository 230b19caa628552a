"""`python -m dind_operator.cli`, for a checkout that is not installed."""

import sys

from dind_operator.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
