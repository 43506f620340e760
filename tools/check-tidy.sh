#!/bin/sh
# check-tidy.sh [FILE...]: clang-tidy 14 with .clang-tidy over our own sources.
cd "$(dirname "$0")/.." || exit 1
exec /usr/bin/python3 tools/check_tidy.py "$@"
