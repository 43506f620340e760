/* RegisterTaskDefinition's rules: the task itself. Containers, ports, volumes, logging and
 * Fargate have files of their own. Texts are those of Amazon ECS where they are known. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "str.h"
#include "taskdef_private.h"

#define SEE_GUIDE                                                                        \
    "For more information, see the Troubleshooting section of the Amazon ECS Developer " \
    "Guide."

int taskdef_bad(struct ecs_taskdef_error *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err->fault = TASKDEF_CLIENT;
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    /* Cut at a character's end, should it have been cut. */
    for (size_t len = strlen(err->text); len > 0 && !utf8_valid(err->text, len);)
        err->text[--len] = '\0';
    return -E_INVALID;
}

bool taskdef_name_valid(const char *name, size_t max)
{
    size_t n = strlen(name);
    if (n == 0 || n > max)
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_' && *name != '-')
            return false;
    return true;
}

bool taskdef_requires(const taskdef_request *def, enum ecs_compatibility c)
{
    FOR_EACH(v, &def->requires_compatibilities)
    if (*v == (int)c)
        return true;
    return false;
}

const struct ecs_container_definition *taskdef_container(const taskdef_request *def,
                                                         const char *name)
{
    FOR_EACH(c, &def->container_definitions)
    if (streq(c->name, name))
        return c;
    return NULL;
}

/* ---- sizes as text ---- */

/* A decimal with at most nine digits before and after the point, times `factor`. The unit
 * is optional blanks and the given letters, of either case. False when the rest of the
 * text is something else or the result no whole number. */
static bool parse_unit(const char *text, const char *unit, int64_t factor, int64_t *ret)
{
    int64_t whole = 0, part = 0, scale = 1;
    int digits = 0;
    for (; isdigit((unsigned char)*text) && digits < 9; text++, digits++)
        whole = whole * 10 + (*text - '0');
    if (*text == '.') {
        text++;
        for (; isdigit((unsigned char)*text) && scale < 1000000000; text++, digits++) {
            part = part * 10 + (*text - '0');
            scale *= 10;
        }
    }
    while (*text == ' ')
        text++;
    if (digits == 0 || strcasecmp(text, unit) != 0 || part * factor % scale != 0)
        return false;
    *ret = whole * factor + part * factor / scale;
    return true;
}

static bool parse_plain(const char *text, int64_t *ret)
{
    return str_to_i64(text, 0, INT32_MAX, ret);
}

bool ecs_parse_cpu(const char *text, int64_t *ret_units)
{
    return parse_plain(text, ret_units) || parse_unit(text, "vcpu", 1024, ret_units);
}

bool ecs_parse_memory(const char *text, int64_t *ret_mib)
{
    return parse_plain(text, ret_mib) || parse_unit(text, "gb", 1024, ret_mib);
}

/* ---- the task ---- */

static int check_size(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    int64_t cpu, memory;
    bool fargate = taskdef_requires(def, ECS_COMPATIBILITY_FARGATE);
    /* For Fargate its own table decides, with its own text. */
    if (def->cpu &&
        (!ecs_parse_cpu(def->cpu, &cpu) || (!fargate && (cpu < 128 || cpu > 196608))))
        return taskdef_bad(err, "Invalid 'cpu' setting for task. " SEE_GUIDE);
    if (def->memory && (!ecs_parse_memory(def->memory, &memory) || memory < 4))
        return taskdef_bad(err, "Invalid 'memory' setting for task. " SEE_GUIDE);
    return 0;
}

static int check_storage(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    if (!def->ephemeral_storage)
        return 0;
    int32_t gib = def->ephemeral_storage->size_in_gib.v;
    if (gib < 21)
        return taskdef_bad(err, "EphemeralStorage size should be at least 21");
    if (gib > 200)
        return taskdef_bad(err, "EphemeralStorage size should be at most 200");
    return 0;
}

static int check_proxy(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    const struct ecs_proxy_configuration *p = def->proxy_configuration;
    if (!p)
        return 0;
    if (def->network_mode != ECS_NETWORK_MODE_AWSVPC)
        return taskdef_bad(err, "Proxy configuration is only supported when "
                                "networkMode=awsvpc");
    if (!taskdef_container(def, p->container_name))
        return taskdef_bad(err, "Proxy container [%s] does not exist", p->container_name);
    return 0;
}

static int check_constraints(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    if (def->placement_constraints.n > PLACE_MAX_CONSTRAINTS)
        return taskdef_bad(err, "Maximum number of placement constraints is %d",
                           PLACE_MAX_CONSTRAINTS);
    FOR_EACH(c, &def->placement_constraints)
    {
        struct query *q = NULL;
        struct error why = ERROR_INIT;
        if (str_empty(c->expression))
            return taskdef_bad(err, "memberOf expression should not be null or empty.");
        if (query_compile(c->expression, &q, &why) < 0)
            return taskdef_bad(err, "%s", why.text);
        query_free(q);
    }
    return 0;
}

/* Every text of it counts, so what is stored is measured. */
static int check_bytes(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    AUTO_STR json = STR_INIT;
    wire_json_encode(&json, &ecs_register_task_definition_request_shape, def);
    if (json.len > TASKDEF_MAX_BYTES)
        return taskdef_bad(err, "Actual length: '%zu'. Max allowed length is '%d' bytes.",
                           json.len, TASKDEF_MAX_BYTES);
    return 0;
}

static int check_family(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    if (str_empty(def->family))
        return taskdef_bad(err, "Family should not be null or empty.");
    if (!taskdef_name_valid(def->family, 255))
        return taskdef_bad(err, "Family contains invalid characters.");
    return 0;
}

static int check_fargate_wish(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    return taskdef_requires(def, ECS_COMPATIBILITY_FARGATE)
               ? taskdef_check_fargate(def, err)
               : 0;
}

int ecs_taskdef_check(const taskdef_request *def, struct ecs_taskdef_error *ret_error)
{
    static int (*const checks[])(const taskdef_request *, struct ecs_taskdef_error *) = {
        check_family,          taskdef_check_containers, check_size,
        check_fargate_wish,    taskdef_check_runtime,    taskdef_check_ports,
        taskdef_check_volumes, taskdef_check_logging,    check_storage,
        check_proxy,           check_constraints,        check_bytes,
    };
    for (size_t k = 0; k < sizeof(checks) / sizeof(checks[0]); k++) {
        int r = checks[k](def, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}
