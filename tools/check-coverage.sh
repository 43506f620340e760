#!/bin/sh
# check-coverage.sh: docs/api-coverage.md is what `make docs` would write now, and every
# operation that is offered has a test that drives it.
cd "$(dirname "$0")/.." || exit 1
/usr/bin/python3 -B -m doctest tools/api_coverage.py || exit 1
exec /usr/bin/python3 -B tools/api_coverage.py --check
