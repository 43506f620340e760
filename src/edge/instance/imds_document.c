/* What the metadata service answers. An instance's metadata is a flat list of paths with their
 * values, made anew for each question; a path that others begin with is a listing. */
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "clock.h"
#include "imds.h"
#include "json_text.h"
#include "str.h"

struct entry {
    const char *path, *value;
    size_t len;
};
struct entries {
    struct arena *a;
    struct entry *v;
    size_t n, cap;
};

static void put_bytes(struct entries *l, const char *path, const char *value, size_t len)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        struct entry *v = arena_new_array(l->a, struct entry, cap);
        if (l->n)
            memcpy(v, l->v, l->n * sizeof(*v));
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = (struct entry){path, value, len};
}

/* NULL: there is no such path. */
static void put(struct entries *l, const char *path, const char *value)
{
    if (value)
        put_bytes(l, path, value, strlen(value));
}

static const char *lines(struct arena *a, const struct string_list *all)
{
    AUTO_STR t = STR_INIT;
    for (size_t i = 0; i < all->n; i++)
        str_addf(&t, "%s%s", i ? "\n" : "", all->v[i]);
    return all->n ? arena_strdup(a, str_text(&t)) : NULL;
}

/* ---- credentials ---- */

static void add_text(struct str *t, const char *name, const char *value)
{
    struct error ignored; /* what is no text was refused when it came */
    jtext_string(t, name, value ? value : "", &ignored);
}

static void add_time(struct str *t, const char *name, struct opt_time at)
{
    char text[CLOCK_ISO_SIZE];
    clock_format_iso(at.v, true, text);
    jtext_plain(t, name, text);
}

static void open_credentials(struct str *t, const struct gantry_edge_credentials *c)
{
    jtext_open(t, NULL, '{');
    jtext_plain(t, "Code", c->code);
    add_time(t, "LastUpdated", c->updated_at);
    if (c->message)
        add_text(t, "Message", c->message);
}

static const char *close_text(struct arena *a, struct str *t)
{
    jtext_close(t, '}');
    return arena_strdup(a, str_text(t));
}

static const char *credentials(struct arena *a, const struct gantry_edge_credentials *c)
{
    AUTO_STR t = STR_INIT;
    open_credentials(&t, c);
    if (c->access_key_id) {
        jtext_plain(&t, "Type", "AWS-HMAC");
        add_text(&t, "AccessKeyId", c->access_key_id);
        add_text(&t, "SecretAccessKey", c->secret_access_key);
        add_text(&t, "Token", c->session_token);
        add_time(&t, "Expiration", c->expiration);
    }
    return close_text(a, &t);
}

static const char *profile(struct arena *a, const struct gantry_edge_instance *i)
{
    AUTO_STR t = STR_INIT;
    bool broken = !i->credentials->role_name;
    jtext_open(&t, NULL, '{');
    jtext_plain(&t, "Code", broken ? i->credentials->code : "Success");
    add_time(&t, "LastUpdated", i->credentials->updated_at);
    if (broken)
        add_text(&t, "Message", i->credentials->message);
    add_text(&t, "InstanceProfileArn", i->iam_instance_profile_arn);
    add_text(&t, "InstanceProfileId", i->iam_instance_profile_id);
    return close_text(a, &t);
}

static void put_iam(struct entries *l, const struct gantry_edge_instance *i)
{
    const struct gantry_edge_credentials *c = i->credentials;
    if (!i->iam_instance_profile_arn || !c)
        return;
    put(l, "meta-data/iam/info", profile(l->a, i));
    if (c->role_name)
        put(l, arena_printf(l->a, "meta-data/iam/security-credentials/%s", c->role_name),
            credentials(l->a, c));
}

/* ---- what it is ---- */

static void put_placement(struct entries *l, const struct gantry_edge_instance *i)
{
    put(l, "meta-data/placement/availability-zone", i->availability_zone);
    put(l, "meta-data/placement/region", i->region);
    put(l, "meta-data/services/domain", "amazonaws.com");
    put(l, "meta-data/services/partition", "aws");
}

static void put_network(struct entries *l, const struct gantry_edge_instance *i)
{
    struct string_list names = {0}, ids = {0};
    for (size_t n = 0; n < i->security_groups.n; n++) {
        *LIST_PUSH(l->a, &names) = i->security_groups.v[n].group_name;
        *LIST_PUSH(l->a, &ids) = i->security_groups.v[n].group_id;
    }
    put(l, "meta-data/security-groups", lines(l->a, &names));
    const struct entry own[] = {
        {"device-number", "0", 0},
        {"interface-id", i->network_interface_id, 0},
        {"local-hostname", i->private_dns_name, 0},
        {"local-ipv4s", i->private_ip_address, 0},
        {"mac", i->mac_address, 0},
        {"owner-id", i->account_id, 0},
        {"public-hostname", i->public_dns_name, 0},
        {"public-ipv4s", i->public_ip_address, 0},
        {"security-group-ids", lines(l->a, &ids), 0},
        {"security-groups", lines(l->a, &names), 0},
        {"subnet-id", i->subnet_id, 0},
        {"subnet-ipv4-cidr-block", i->subnet_cidr_block, 0},
        {"vpc-id", i->vpc_id, 0},
        {"vpc-ipv4-cidr-block", i->vpc_cidr_blocks.n ? i->vpc_cidr_blocks.v[0] : NULL, 0},
        {"vpc-ipv4-cidr-blocks", lines(l->a, &i->vpc_cidr_blocks), 0},
    };
    for (size_t n = 0; i->mac_address && n < sizeof(own) / sizeof(own[0]); n++)
        put(l,
            arena_printf(l->a, "meta-data/network/interfaces/macs/%s/%s", i->mac_address,
                         own[n].path),
            own[n].value);
}

/* EC2 lets nobody turn this on with a tag whose key is no part of a path. */
static void put_tags(struct entries *l, const struct gantry_edge_instance *i)
{
    if (!i->metadata_options || i->metadata_options->instance_metadata_tags !=
                                    EC2_INSTANCE_METADATA_TAGS_STATE_ENABLED)
        return;
    for (size_t n = 0; n < i->tags.n; n++)
        put(l, arena_printf(l->a, "meta-data/tags/instance/%s", i->tags.v[n].key),
            i->tags.v[n].value ? i->tags.v[n].value : "");
}

static void put_own(struct entries *l, const struct gantry_edge_instance *i)
{
    put(l, "meta-data/ami-id", i->image_id);
    put(l, "meta-data/ami-launch-index", "0");
    put(l, "meta-data/hostname", i->private_dns_name);
    put(l, "meta-data/instance-action", "none");
    put(l, "meta-data/instance-id", i->instance_id);
    put(l, "meta-data/instance-life-cycle", i->life_cycle ? i->life_cycle : "on-demand");
    put(l, "meta-data/instance-type", i->instance_type);
    put(l, "meta-data/local-hostname", i->private_dns_name);
    put(l, "meta-data/local-ipv4", i->private_ip_address);
    put(l, "meta-data/mac", i->mac_address);
    put(l, "meta-data/public-hostname", i->public_dns_name);
    put(l, "meta-data/public-ipv4", i->public_ip_address);
    put(l, "meta-data/reservation-id", i->reservation_id);
}

static void put_user_data(struct entries *l, const struct gantry_edge_instance *i)
{
    uint8_t *raw;
    size_t size;
    if (!str_empty(i->user_data) &&
        base64_decode(l->a, i->user_data, strlen(i->user_data), &raw, &size))
        put_bytes(l, "user-data", (const char *)raw, size);
}

static const char *identity(struct arena *a, const struct gantry_edge_instance *i)
{
    AUTO_STR t = STR_INIT;
    jtext_open(&t, NULL, '{');
    add_text(&t, "accountId", i->account_id);
    jtext_plain(&t, "architecture", "x86_64");
    add_text(&t, "availabilityZone", i->availability_zone);
    add_text(&t, "imageId", i->image_id);
    add_text(&t, "instanceId", i->instance_id);
    add_text(&t, "instanceType", i->instance_type);
    add_time(&t, "pendingTime", i->launched_at);
    add_text(&t, "privateIp", i->private_ip_address);
    add_text(&t, "region", i->region);
    jtext_plain(&t, "version", "2017-09-30");
    return close_text(a, &t);
}

/* ---- finding ---- */

static int order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return strcmp(x->path, y->path);
}

/* The next names below `path`, each once, with '/' when there is more below them. */
static const char *listing(struct arena *a, const struct entries *l, const char *path)
{
    AUTO_STR t = STR_INIT;
    size_t skip = *path ? strlen(path) + 1 : 0;
    const char *last = "";
    size_t last_len = 0;
    for (size_t i = 0; i < l->n; i++) {
        const char *p = l->v[i].path;
        if (skip && (strncmp(p, path, skip - 1) != 0 || p[skip - 1] != '/'))
            continue;
        size_t n = strcspn(p + skip, "/");
        n += p[skip + n] == '/';
        if (n == last_len && memcmp(last, p + skip, n) == 0)
            continue;
        last = p + skip;
        last_len = n;
        str_addf(&t, "%s%.*s", t.len ? "\n" : "", (int)n, last);
    }
    return t.len ? arena_strdup(a, t.data) : NULL;
}

enum imds_found imds_find(struct arena *a, const struct gantry_edge_instance *i,
                          const char *path, const char **ret, size_t *ret_len)
{
    struct entries l = {.a = a};
    put(&l, "dynamic/instance-identity/document", identity(a, i));
    put_own(&l, i);
    put_iam(&l, i);
    put_network(&l, i);
    put_placement(&l, i);
    put_tags(&l, i);
    put_user_data(&l, i);
    qsort(l.v, l.n, sizeof(*l.v), order);
    for (size_t n = 0; n < l.n; n++)
        if (streq(l.v[n].path, path)) {
            *ret = l.v[n].value;
            *ret_len = l.v[n].len;
            return IMDS_VALUE;
        }
    *ret = listing(a, &l, path);
    *ret_len = *ret ? strlen(*ret) : 0;
    return *ret ? IMDS_LISTING : IMDS_NOTHING;
}

/* ---- requests ---- */

#define TOKEN_PATH "api/token"

static void refuse(struct arena *a, struct imds_answer *ret, int status, const char *name)
{
    *ret = (struct imds_answer){
        .status = status,
        .type = "text/html",
        .body = arena_printf(a,
                             "<html><head><title>%d - %s</title></head><body><h1>%d - %s"
                             "</h1></body></html>\n",
                             status, name, status, name),
    };
    ret->len = strlen(ret->body);
}

/* "latest" or the date of a version: what comes behind it, without slashes at its end; NULL:
 * no such version. */
static const char *below_version(struct arena *a, const char *path)
{
    path += strspn(path, "/");
    size_t n = strcspn(path, "/");
    bool date = n == 10 && strspn(path, "0123456789-") == 10;
    if (!date && strncmp(path, "latest", n > 6 ? n : 6) != 0 &&
        strncmp(path, "1.0", n > 3 ? n : 3) != 0)
        return NULL;
    AUTO_STR t = STR_INIT;
    for (const char *p = path + n; *p; p++) /* "//" is as good as "/" */
        if (*p != '/' || (t.len && t.data[t.len - 1] != '/'))
            str_addc(&t, *p);
    while (t.len && t.data[t.len - 1] == '/')
        t.data[--t.len] = '\0';
    return arena_strdup(a, str_text(&t));
}

static void put_token(struct arena *a, const struct gantry_edge_instance *i,
                      const struct imds_key *key, const struct local_request *q,
                      int64_t now_s, struct imds_answer *ret)
{
    const struct ec2_instance_metadata_options_response *o = i->metadata_options;
    char value[16];
    int64_t ttl;
    char *token = arena_alloc(a, IMDS_TOKEN_SIZE);
    if (local_request_header(q, "X-Forwarded-For", value, sizeof(value)) >= 0) {
        refuse(a, ret, 403, "Forbidden");
        return;
    }
    if (local_request_header(q, "X-aws-ec2-metadata-token-ttl-seconds", value,
                             sizeof(value)) <= 0 ||
        !str_to_i64(value, 1, IMDS_TTL_MAX_S, &ttl)) {
        refuse(a, ret, 400, "Bad Request");
        return;
    }
    imds_token_make(key, i->instance_id, now_s + ttl, token);
    *ret = (struct imds_answer){
        .status = 200,
        .type = "text/plain",
        .headers = arena_printf(a, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: %lld\r\n",
                                (long long)ttl),
        .body = token,
        .len = strlen(token),
        .hops = o && o->http_put_response_hop_limit.set ? o->http_put_response_hop_limit.v
                                                        : 1,
    };
}

/* A token that is wrong is refused even where none is needed. */
static bool allowed(const struct gantry_edge_instance *i, const struct imds_key *key,
                    const struct local_request *q, int64_t now_s)
{
    const struct ec2_instance_metadata_options_response *o = i->metadata_options;
    char token[IMDS_TOKEN_SIZE + 1];
    if (local_request_header(q, "X-aws-ec2-metadata-token", token, sizeof(token)) < 0)
        return o && o->http_tokens == EC2_HTTP_TOKENS_STATE_OPTIONAL;
    return imds_token_valid(key, i->instance_id, token, now_s);
}

static void get(struct arena *a, const struct gantry_edge_instance *i, const char *path,
                struct imds_answer *ret)
{
    static const char versions[] = "1.0\nlatest";
    *ret = (struct imds_answer){.status = 200, .type = "text/plain"};
    if (strspn(path, "/") == strlen(path)) {
        ret->body = versions;
        ret->len = sizeof(versions) - 1;
        return;
    }
    const char *below = below_version(a, path);
    if (!below || imds_find(a, i, below, &ret->body, &ret->len) == IMDS_NOTHING)
        refuse(a, ret, 404, "Not Found");
}

void imds_answer(struct arena *a, const struct gantry_edge_instance *i,
                 const struct imds_key *key, const struct local_request *q, int64_t now_s,
                 struct imds_answer *ret)
{
    const struct ec2_instance_metadata_options_response *o = i->metadata_options;
    bool is_put = streq(q->method, "PUT");
    const char *below = below_version(a, q->path);
    if (o && o->http_endpoint == EC2_INSTANCE_METADATA_ENDPOINT_STATE_DISABLED)
        refuse(a, ret, 403, "Forbidden");
    else if (is_put && below && streq(below, TOKEN_PATH))
        put_token(a, i, key, q, now_s, ret);
    else if (!streq(q->method, "GET") && !streq(q->method, "HEAD"))
        refuse(a, ret, 405, "Method Not Allowed");
    else if (!allowed(i, key, q, now_s))
        refuse(a, ret, 401, "Unauthorized");
    else
        get(a, i, q->path, ret);
}
