#include "local_rate.h"

bool local_rate_take(int64_t *due_ns, int64_t now_ns, int64_t every_ns, int64_t burst)
{
    int64_t due = *due_ns > now_ns ? *due_ns : now_ns;
    if (due - now_ns > (burst - 1) * every_ns)
        return false;
    *due_ns = due + every_ns;
    return true;
}
