"""`make matrix`: combinations of versions, and long tests, that `make test` leaves out, run one part after another on demand.

What was run, with which versions and when, is written into docs/versions.md.
"""
