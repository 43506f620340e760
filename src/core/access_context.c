#include "access_context.h"

#include <string.h>
#include <strings.h>

#include "arn.h"
#include "call.h"
#include "clock.h"
#include "core_private.h"
#include "str.h"

/* Where requests carry the tags that they set: a list of pairs or a map. */
static const char *const tag_members[][2] = {
    {"tags.key", "tags.value"},
    {"Tags.Key", "Tags.Value"},
    {"TagSpecifications.Tags.Key", "TagSpecifications.Tags.Value"},
    {"Tagging.TagSet.Key", "Tagging.TagSet.Value"},
};
/* … and the names of those that they remove. */
static const char *const key_members[] = {
    "tagKeys",           "TagKeys", "Tags.Key", "tags.key", "TagSpecifications.Tags.Key",
    "Tagging.TagSet.Key"};

static bool one(struct access_context *x, const char *text, struct policy_values *ret)
{
    if (!text)
        return false;
    const char **v = arena_new(x->arena, const char *);
    v[0] = text;
    *ret = (struct policy_values){.v = v, .n = 1};
    return true;
}

static size_t request(struct access_context *x, const char *path, const char *const **ret)
{
    return x->call ? wire_pick(x->arena, x->call->operation->wire->input, x->call->in,
                               path, ret)
                   : 0;
}

static bool request_tag(struct access_context *x, const char *name,
                        struct policy_values *ret)
{
    for (size_t i = 0; i < sizeof(tag_members) / sizeof(tag_members[0]); i++) {
        const char *const *keys, *const *values;
        size_t n = request(x, tag_members[i][0], &keys);
        size_t m = request(x, tag_members[i][1], &values);
        for (size_t k = 0; k < n; k++)
            if (strcasecmp(keys[k], name) == 0)
                return one(x, k < m ? values[k] : "", ret);
    }
    return false;
}

static bool tag_keys(struct access_context *x, struct policy_values *ret)
{
    for (size_t i = 0; i < sizeof(key_members) / sizeof(key_members[0]); i++) {
        const char *const *v;
        size_t n = request(x, key_members[i], &v);
        if (n) {
            *ret = (struct policy_values){.v = v, .n = n, .multi = true};
            return true;
        }
    }
    return false;
}

static bool resource_tag(struct access_context *x, const char *name,
                         struct policy_values *ret)
{
    const struct access_service *s = x->call ? x->call->access : NULL;
    return s && s->tag && one(x, s->tag(x->call, x->question->resource, name), ret);
}

static const char *resource_account(struct access_context *x)
{
    struct arn arn;
    if (x->question->resource_account)
        return x->question->resource_account;
    if (arn_parse(x->arena, x->question->resource, &arn) && *arn.account)
        return arn.account;
    return x->who->account_id;
}

/* ---- keys that every request has ---- */

static bool find_global(struct access_context *x, const char *key,
                        struct policy_values *ret)
{
    const struct call *c = x->call;
    if (streq(key, "aws:sourceip"))
        return one(x, x->who->source_ip, ret);
    if (streq(key, "aws:useragent"))
        return one(x, x->who->user_agent, ret);
    if (streq(key, "aws:securetransport"))
        return one(x, x->who->tls ? "true" : "false", ret);
    if (streq(key, "aws:requestedregion"))
        return one(x, c ? c->region : core_config(x->core)->region, ret);
    if (streq(key, "aws:resourceaccount"))
        return one(x, resource_account(x), ret);
    if (streq(key, "aws:tagkeys"))
        return tag_keys(x, ret);
    if (streq(key, "aws:epochtime"))
        return one(
            x, arena_printf(x->arena, "%lld", (long long)(core_now_ms(x->core) / 1000)),
            ret);
    if (streq(key, "aws:currenttime")) {
        char text[CLOCK_ISO_SIZE];
        clock_format_iso(core_now_ms(x->core), true, text);
        return one(x, arena_strdup(x->arena, text), ret);
    }
    return false;
}

static bool find_tag(struct access_context *x, const char *key, struct policy_values *ret)
{
    const char *slash = strchr(key, '/');
    if (!slash)
        return false;
    if (str_starts(key, "aws:requesttag/"))
        return request_tag(x, slash + 1, ret);
    const char *colon = strchr(key, ':');
    return colon && str_starts(colon, ":resourcetag/") && resource_tag(x, slash + 1, ret);
}

/* ---- the service's ---- */

static bool find_service(struct access_context *x, const char *key,
                         struct policy_values *ret)
{
    const struct access_service *s = x->call ? x->call->access : NULL;
    for (const struct access_rule *r = s ? s->keys : NULL; r && r->name; r++) {
        if (strcasecmp(r->name, key) != 0)
            continue;
        ret->n = access_pattern_expand(x->call, r->pattern, &ret->v);
        ret->multi = ret->n > 1;
        return ret->n > 0;
    }
    return s && s->key && s->key(x->call, x->question->resource, key, ret);
}

static bool find_given(struct access_context *x, const char *key,
                       struct policy_values *ret)
{
    for (size_t i = 0; i < x->question->value_count; i++)
        if (strcasecmp(x->question->values[i].key, key) == 0) {
            *ret = x->question->values[i].values;
            return true;
        }
    return false;
}

static bool find(const struct policy_context *base, const char *key,
                 struct policy_values *ret)
{
    struct access_context *x = (struct access_context *)(void *)base;
    *ret = (struct policy_values){0};
    return find_given(x, key, ret) || find_global(x, key, ret) || find_tag(x, key, ret) ||
           find_service(x, key, ret) ||
           (x->core->judge && x->core->judge->key &&
            x->core->judge->key(x->core, x->arena, x->who, key, ret));
}

void access_context_init(struct access_context *ctx, struct core *core, struct arena *a,
                         const struct identity *who, struct call *call,
                         const struct access *question)
{
    *ctx = (struct access_context){.base = {.find = find},
                                   .core = core,
                                   .arena = a,
                                   .who = who,
                                   .call = call,
                                   .question = question};
}
