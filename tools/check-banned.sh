#!/bin/sh
# check-banned.sh: no function that we can't use safely, no descriptor that leaks on exec.
cd "$(dirname "$0")/.." || exit 1
exec /usr/bin/python3 tools/check_banned.py "$@"
