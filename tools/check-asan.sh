#!/bin/sh
# check-asan.sh: AddressSanitizer, leaks and UndefinedBehaviorSanitizer, see sanitize.sh.
exec "$(dirname "$0")/sanitize.sh" asan
