#include "command.h"
#define MISSING(n)                                                                       \
    int n##_command(struct options *o, struct error *err)                                \
    {                                                                                    \
        return fail(err, E_UNSUPPORTED, "not built yet");                                \
    }
MISSING(status) MISSING(logs) MISSING(exec) MISSING(doctor)
