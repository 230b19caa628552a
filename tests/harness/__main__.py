"""`python -m tests.harness due|run`: whether the cluster's own tests have to run, and running them.

`due` prints a sentence and exits with 0 when they are due and with 1 when they are not. Any other code is an error.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import traceback


def _run(root: str) -> int:
    # Of the options from the environment only where the results go: others could leave tests out.
    given = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    kept = shlex.join(option for option in given if option.startswith("--junitxml="))
    environment = os.environ | {"PYTEST_ADDOPTS": kept}
    options = ["-v", "--durations=8", "--durations-min=2", "-o", "cache_dir=.pytest_cache/test-harness"]
    command = [sys.executable, "-m", "pytest", "tests/harness", *options]
    return subprocess.run(command, check=False, cwd=root, env=environment).returncode


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.harness", description="The embedded cluster's own tests.")
    parser.add_argument("verb", choices=("due", "run"), help="due: exit 0 if they have to run, 1 if not; run: run them")
    verb = parser.parse_args(arguments).verb
    try:
        from pathlib import Path

        from tests.cluster.record import checkout
        from tests.harness import dependencies, passed

        def key() -> str:
            return dependencies.key(Path(checkout()), dependencies.programs_of_this_machine())

        if verb == "run":
            return passed.run(lambda: _run(checkout()), key)
        is_due, sentence = passed.due(key())
        print(sentence)
        return 0 if is_due else 1
    except Exception:  # Python's own exit code for it is 1, which would read as "not due"
        traceback.print_exc()
        return 2


if __name__ == "__main__":
    sys.exit(main())
