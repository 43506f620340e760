/* Amazon's public parameters: which image is the ECS-optimized one. Nothing is stored. */
#include "ec2.h"
#include "page.h"
#include "parameter.h"

#define BASE       "/aws/service/ecs/optimized-ami/"
#define CHANGED_MS INT64_C(1767225600000) /* 2026-01-01 */
#define PAGE_MAX   10

/* What lies below …/recommended of a generation; NULL name: the whole as JSON. */
static const char *const leaves[] = {
    NULL, "ecs_agent_version", "ecs_runtime_version", "image_id", "image_name",
    "os", "schema_version"};
static const struct generation {
    const char *path, *image_name, *os;
    bool al2023;
} generations[] = {
    {"amazon-linux-2", "amzn2-ami-ecs-hvm-2.0.20260101-x86_64-ebs", "Amazon Linux 2",
     false},
    {"amazon-linux-2023", "al2023-ami-ecs-hvm-2023.0.20260101-kernel-6.1-x86_64",
     "Amazon Linux 2023", true},
};
#define LEAVES      (sizeof(leaves) / sizeof(leaves[0]))
#define GENERATIONS (sizeof(generations) / sizeof(generations[0]))
#define PARAMETERS  (LEAVES * GENERATIONS)

static const char *leaf_value(struct call *c, const struct generation *g,
                              const char *leaf)
{
    const char *image = ec2_optimized_image(&c->arena, c->region, g->al2023);
    const char *runtime = "gantry " GANTRY_VERSION;
    if (!leaf)
        return call_printf(c,
                           "{\"ecs_agent_version\":\"%s\",\"ecs_runtime_version\":\"%s\","
                           "\"image_id\":\"%s\",\"image_name\":\"%s\",\"os\":\"%s\","
                           "\"schema_version\":1,\"source_image_name\":\"%s\"}",
                           GANTRY_VERSION, runtime, image, g->image_name, g->os,
                           g->image_name);
    return streq(leaf, "image_id")            ? image
           : streq(leaf, "image_name")        ? g->image_name
           : streq(leaf, "os")                ? g->os
           : streq(leaf, "ecs_agent_version") ? GANTRY_VERSION
           : streq(leaf, "schema_version")    ? "1"
                                              : runtime;
}

static const char *name_of(struct call *c, size_t n)
{
    const struct generation *g = &generations[n / LEAVES];
    const char *leaf = leaves[n % LEAVES];
    return call_printf(c, BASE "%s/recommended%s%s", g->path, leaf ? "/" : "",
                       leaf ? leaf : "");
}

static void show(struct call *c, size_t n, struct ssm_parameter *to)
{
    to->name = name_of(c, n);
    to->value = leaf_value(c, &generations[n / LEAVES], leaves[n % LEAVES]);
    to->type = SSM_PARAMETER_TYPE_STRING;
    to->version = SET_LONG(1);
    to->last_modified_date = SET_TIME(CHANGED_MS);
    to->arn = call_printf(c, "arn:aws:ssm:%s::parameter%s", c->region, to->name);
    to->data_type = "text";
}

/* A name, or an ARN; with ":VERSION" behind it perhaps. */
enum parameter_found public_parameter_find(struct call *c, const char *asked,
                                           struct ssm_parameter *ret)
{
    const char *arn = call_printf(c, "arn:aws:ssm:%s::parameter", c->region);
    const char *name = str_starts(asked, arn) ? asked + strlen(arn) : asked;
    const char *selector = strchr(name, ':');
    if (selector)
        name = arena_strndup(&c->arena, name, (size_t)(selector - name));
    for (size_t n = 0; n < PARAMETERS; n++) {
        if (!streq(name_of(c, n), name))
            continue;
        if (selector && !streq(selector, ":1"))
            return PARAMETER_VERSION_MISSING;
        show(c, n, ret);
        ret->selector = selector;
        return PARAMETER_FOUND;
    }
    return PARAMETER_MISSING;
}

bool is_public_path(const char *path)
{
    return str_starts(path, "/aws/") || streq(path, "/aws");
}

bool is_below(const char *path, bool recursive, const char *name)
{
    size_t n = strlen(path);
    if (n && path[n - 1] == '/')
        n--;
    if (n == 0 && name[0] != '/')
        return true; /* a name without a path is below the root */
    return strncmp(name, path, n) == 0 && name[n] == '/' &&
           (recursive || !strchr(name + n + 1, '/'));
}

static int page_begin(struct call *c, const struct ssm_get_parameters_by_path_request *in,
                      size_t *ret)
{
    const char *position;
    int64_t at = 0;
    if (in->parameter_filters.n)
        return call_fault(c, &ssm_invalid_filter_key,
                          "Filters of public parameters are not offered by this gantry.");
    if (in->next_token && (!page_position(&c->arena, in->next_token, &position) ||
                           !str_to_i64(position, 0, PARAMETERS, &at)))
        return call_fault(c, &ssm_invalid_next_token, "The specified token isn't valid.");
    *ret = (size_t)at;
    return 0;
}

int public_parameters_by_path(struct call *c,
                              const struct ssm_get_parameters_by_path_request *in,
                              struct ssm_get_parameters_by_path_result *out)
{
    size_t at = 0, limit = in->max_results.set ? (size_t)in->max_results.v : PAGE_MAX;
    if (page_begin(c, in, &at) < 0)
        return -1;
    out->parameters.set = true;
    for (; at < PARAMETERS; at++) {
        if (!is_below(in->path, in->recursive.v, name_of(c, at)))
            continue;
        if (out->parameters.n == limit) {
            out->next_token = page_token(&c->arena, call_printf(c, "%zu", at));
            return 0;
        }
        show(c, at, LIST_PUSH(&c->arena, &out->parameters));
    }
    return 0;
}
