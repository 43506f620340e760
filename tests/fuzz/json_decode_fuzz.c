/* JSON bodies, and what must hold for every one that is accepted: it is written, read and
 * copied without a change. */
#include <stdlib.h>

#include "ecs_api.h"
#include "probe_api.h"

static void survives(const struct wire_shape *shape, const char *text, size_t len,
                     bool trusted)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR first = STR_INIT;
    AUTO_STR second = STR_INIT;
    struct wire_error error = {0};
    void *one = NULL, *two = NULL;
    if (wire_json_decode(&a, shape, text, len, trusted, &one, &error) < 0) {
        if (!error.text[0] || !utf8_valid(error.text, strlen(error.text)))
            abort();
        return;
    }
    wire_json_encode(&first, shape, one);
    if (wire_json_decode(&a, shape, str_text(&first), first.len, true, &two, &error) < 0)
        abort();
    wire_json_encode(&second, shape, wire_copy(&a, shape, two));
    if (!streq(str_text(&first), str_text(&second)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    survives(&probe_thing_shape, text, size, false);
    survives(&probe_thing_shape, text, size, true);
    survives(&ecs_register_task_definition_request_shape, text, size, false);
    return 0;
}
