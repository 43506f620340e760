#!/bin/sh
# check-tsan.sh: ThreadSanitizer, see sanitize.sh.
exec "$(dirname "$0")/sanitize.sh" tsan
