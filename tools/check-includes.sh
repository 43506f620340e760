#!/bin/sh
# check-includes.sh: includes run in the direction of tools/include-direction.txt.
cd "$(dirname "$0")/.." || exit 1
exec /usr/bin/python3 tools/check_includes.py "$@"
