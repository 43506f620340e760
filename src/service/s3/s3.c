#include "s3_state.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char s3_service_key;

struct s3 *s3_of(const struct core *core)
{
    return core_service(core, &s3_service_key);
}

static int policy_load(struct bucket *b, struct error *err)
{
    const char *text = b->rec->policy;
    if (!text)
        return 0;
    b->source.name = b->rec->name;
    int r = policy_compile(text, strlen(text), POLICY_RESOURCE, &b->policy, err);
    b->source.policy = b->policy;
    return r < 0 ? wrap(err, "the policy of bucket '%s'", b->rec->name) : 0;
}

static int bucket_loaded(struct core *core, struct object *o, struct error *err)
{
    return policy_load((struct bucket *)(void *)o, err);
}

static void bucket_unlink(struct core *core, struct object *o)
{
    policy_free(((struct bucket *)(void *)o)->policy);
}

static const struct table_type bucket_table = {
    .prefix = S3_NAMESPACE_PREFIX,
    .shape = &gantry_s3_bucket_record_shape,
    .object_size = sizeof(struct bucket),
    .record_offset = offsetof(struct bucket, rec),
    .loaded = bucket_loaded,
    .unlink = bucket_unlink,
};

void s3_attach(struct core *core, const struct s3_settings *settings)
{
    struct s3 *s3 = xcalloc(1, sizeof(*s3));
    s3->settings = *settings;
    core_set_service(core, &s3_service_key, s3, free);
    s3->buckets = table_add(core, &bucket_table);
}

struct bucket *bucket_find(struct core *core, const char *name)
{
    char key[sizeof(S3_NAMESPACE_PREFIX) + 63];
    if (!name || strlen(name) > 63)
        return NULL;
    snprintf(key, sizeof(key), S3_NAMESPACE_PREFIX "%s", name);
    return table_find(s3_of(core)->buckets, key);
}

void s3_bucket_ids(struct core *core, void (*visit)(void *ctx, const char *id), void *ctx)
{
    const struct table *t = s3_of(core)->buckets;
    const struct bucket *b = table_next(t, S3_NAMESPACE_PREFIX, S3_NAMESPACE_PREFIX);
    for (; b; b = table_next(t, S3_NAMESPACE_PREFIX, b->o.key))
        visit(ctx, b->rec->bucket_id);
}

/* "Bucket naming rules": 3–63 of a-z, 0-9, '.', '-'; begins and ends with a letter or digit;
 * no two dots in a row; not an IPv4 address; not what AWS keeps for itself. */
bool bucket_name_valid(const char *name)
{
    size_t n = strlen(name);
    if (n < 3 || n > 63 || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-")])
        return false;
    if (!isalnum((unsigned char)name[0]) || !isalnum((unsigned char)name[n - 1]))
        return false;
    if (strstr(name, "..") || !name[strspn(name, "0123456789.")])
        return false;
    return !str_starts(name, "xn--") && !str_starts(name, "sthree-") &&
           !str_ends(name, "-s3alias") && !str_ends(name, "--ol-s3");
}

const char *s3_arn(struct call *c, const char *bucket, const char *key)
{
    return call_printf(c, "arn:aws:s3:::%s%s%s", bucket, key ? "/" : "", key ? key : "");
}

static int hex_digit(char ch)
{
    return isdigit((unsigned char)ch)    ? ch - '0'
           : isxdigit((unsigned char)ch) ? tolower((unsigned char)ch) - 'a' + 10
                                         : -1;
}

bool copy_source_parse(struct call *c, const char *text, const char **ret_bucket,
                       const char **ret_key)
{
    const char *query = strstr(text, "?versionId=");
    size_t n = query ? (size_t)(query - text) : strlen(text), len = 0;
    char *plain = arena_alloc(&c->arena, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '%') {
            plain[len++] = text[i];
            continue;
        }
        if (i + 2 >= n || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0)
            return false;
        plain[len++] = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
        i += 2;
    }
    plain[len] = '\0';
    if (strlen(plain) != len || !utf8_valid(plain, len) ||
        (query && !streq(query, "?versionId=null")))
        return false;
    plain += *plain == '/';
    char *slash = strchr(plain, '/');
    if (!slash || !slash[1])
        return false;
    *slash = '\0';
    *ret_bucket = plain;
    *ret_key = slash + 1;
    return true;
}
