"""The embedded cluster's own tests: a tier for whoever changes the cluster, and not for every run of `make test`.

They boot, kill and remove clusters for minutes, and their result changes only with the code under `tests/cluster` and with
the machine's programs. `make test-harness` runs them; `python -m tests.harness due` reports whether they have to run again.
"""
