/* unit.h: cmocka with what it needs before it, and without its macro fail(), which would
 * hide ours (error.h). Every unit test includes this first. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail
/* cmocka's own calls fail(). */
#undef fail_msg
#define fail_msg(...)                                                                    \
    do {                                                                                 \
        print_error(__VA_ARGS__);                                                        \
        print_error("\n");                                                               \
        _fail(__FILE__, __LINE__);                                                       \
    } while (0)
