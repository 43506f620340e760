/* analyzer.h: what clang's analyzer must know of error.h, included before every file that
 * check_tidy.py looks at. fail() and its kin live in another file, so the analyzer thinks that
 * they may return 0, and then reports outputs that a failed function rightly left untouched. */
#pragma once

#include "error.h"

#define fail(...)       (fail(__VA_ARGS__), -E_IO)
#define fail_errno(...) (fail_errno(__VA_ARGS__), -E_IO)
#define wrap(...)       (wrap(__VA_ARGS__), -E_IO)
#if __has_include("call.h")
#include "call.h"
#define call_fault(...) (call_fault(__VA_ARGS__), -1)
#endif
