#include "agent_joined.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "clock.h"
#include "fd.h"
#include "str.h"

/* A server that was just started still believes for a while what it knew before: so there
 * must be an open stream of each agent too. */
static bool streams(struct api *api, int count)
{
    AUTO_STR text = STR_INIT;
    struct error err;
    if (api_get(api, "/metrics", &text, &err) < 0)
        return false;
    const char *line = strstr(str_text(&text), "\ngantry_hosts_connected ");
    return line && strtod(line + strlen("\ngantry_hosts_connected "), NULL) >= count;
}

/* 1: connected. 0: not yet, for whatever reason. */
static int joined(struct api *api, const struct layout *l)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    str_addf(&path, "%s/instance.json", l->agent_dir);
    if (file_read(AT_FDCWD, path.data, 65536, &text, NULL) < 0)
        return 0;
    json_t *instance = json_loadb(text.data, text.len, 0, NULL), *reply = NULL;
    const char *cluster = json_string_value(json_object_get(instance, "cluster"));
    const char *arn =
        json_string_value(json_object_get(instance, "containerInstanceArn"));
    struct error err;
    int connected = 0;
    if (cluster && arn &&
        api_ecs(api, "DescribeContainerInstances",
                json_pack("{s:s, s:[s]}", "cluster", cluster, "containerInstances", arn),
                &reply, &err) == 0) {
        json_t *first = json_array_get(json_object_get(reply, "containerInstances"), 0);
        connected = json_is_true(json_object_get(first, "agentConnected"));
    }
    json_decref(reply);
    json_decref(instance);
    return connected;
}

int agent_joined_wait(const struct layout *l, const struct run_record *record)
{
    int64_t until = clock_mono_ns() + AGENT_JOINED_SECONDS * INT64_C(1000000000);
    struct api *api = NULL;
    struct error err = ERROR_INIT;
    if (api_open(l, record, &api, &err) < 0)
        return -err.code;
    int r = 0;
    while (!r && clock_mono_ns() < until) {
        r = streams(api, record->parts[PART_FARGATE].pid ? 2 : 1) && joined(api, l);
        if (!r)
            nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    }
    api_close(api);
    return r ? 0 : -E_TIMEOUT;
}
