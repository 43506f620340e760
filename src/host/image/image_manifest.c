#include "image_manifest.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "blob.h"
#include "str.h"

static void json_free(json_t **j)
{
    json_decref(*j);
}
#define AUTO_JSON __attribute__((cleanup(json_free))) json_t

/* ---- reading members, strictly ---- */

static int load(const void *data, size_t len, size_t max, json_t **ret, struct error *err)
{
    if (len > max)
        return fail(err, E_LIMIT, "%zu bytes, and %zu are allowed", len, max);
    json_error_t je;
    json_t *j = json_loadb(data, len, JSON_REJECT_DUPLICATES, &je);
    if (!j)
        return fail(err, E_INVALID, "not JSON: %.160s at byte %d", je.text, je.position);
    if (!json_is_object(j)) {
        json_decref(j);
        return fail(err, E_INVALID, "not a JSON object");
    }
    *ret = j;
    return 0;
}

/* A member that is absent or null gives "". */
static int get_string(struct arena *a, const json_t *obj, const char *name,
                      const char **ret, struct error *err)
{
    const json_t *v = json_object_get(obj, name);
    *ret = "";
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_string(v))
        return fail(err, E_INVALID, "%s is no string", name);
    *ret = arena_strndup(a, json_string_value(v), json_string_length(v));
    return 0;
}

static int get_strings(struct arena *a, const json_t *obj, const char *name,
                       const char ***ret, size_t *ret_count, struct error *err)
{
    const json_t *v = json_object_get(obj, name);
    size_t n = json_array_size(v);
    if (v && !json_is_null(v) && !json_is_array(v))
        return fail(err, E_INVALID, "%s is no list", name);
    const char **list = arena_new_array(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *e = json_array_get(v, i);
        if (!json_is_string(e))
            return fail(err, E_INVALID, "%s[%zu] is no string", name, i);
        list[i] = arena_strdup(a, json_string_value(e));
    }
    *ret = list;
    if (ret_count)
        *ret_count = n;
    return 0;
}

/* The keys of an object whose values mean nothing: ExposedPorts, Volumes. */
static int get_keys(struct arena *a, json_t *obj, const char *name, const char ***ret,
                    struct error *err)
{
    json_t *v = json_object_get(obj, name);
    if (v && !json_is_null(v) && !json_is_object(v))
        return fail(err, E_INVALID, "%s is no object", name);
    const char **list = arena_new_array(a, const char *, json_object_size(v) + 1);
    const char *key;
    json_t *unused;
    size_t i = 0;
    json_object_foreach (v, key, unused)
        list[i++] = arena_strdup(a, key);
    *ret = list;
    return 0;
}

static int get_object(const json_t *obj, const char *name, json_t **ret,
                      struct error *err)
{
    json_t *v = json_object_get(obj, name);
    if (v && !json_is_null(v) && !json_is_object(v))
        return fail(err, E_INVALID, "%s is no object", name);
    *ret = json_is_object(v) ? v : NULL;
    return 0;
}

/* ---- manifests ---- */

static int get_platform(struct arena *a, const json_t *obj, struct platform *ret,
                        struct error *err)
{
    if (get_string(a, obj, "os", &ret->os, err) < 0 ||
        get_string(a, obj, "architecture", &ret->architecture, err) < 0 ||
        get_string(a, obj, "variant", &ret->variant, err) < 0)
        return wrap(err, "platform");
    return 0;
}

static int get_descriptor(struct arena *a, const json_t *j,
                          struct content_descriptor *ret, struct error *err)
{
    struct content_descriptor d = {0};
    struct blob_digest digest;
    json_t *platform = NULL;
    if (!json_is_object(j))
        return fail(err, E_INVALID, "not an object");
    if (get_string(a, j, "mediaType", &d.media_type, err) < 0 ||
        get_string(a, j, "digest", &d.digest, err) < 0 ||
        blob_digest_parse(d.digest, &digest, err) < 0 ||
        get_object(j, "platform", &platform, err) < 0 ||
        get_platform(a, platform, &d.platform, err) < 0)
        return -(int)err->code;
    const json_t *size = json_object_get(j, "size");
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return fail(err, E_INVALID, "size is no number of bytes");
    d.size = (uint64_t)json_integer_value(size);
    *ret = d;
    return 0;
}

static int get_descriptors(struct arena *a, const json_t *obj, const char *name,
                           size_t max, struct content_descriptor **ret, size_t *ret_count,
                           struct error *err)
{
    const json_t *v = json_object_get(obj, name);
    if (!json_is_array(v))
        return fail(err, E_INVALID, "%s is no list", name);
    size_t n = json_array_size(v);
    if (n > max)
        return fail(err, E_LIMIT, "%zu %s, and %zu are allowed", n, name, max);
    struct content_descriptor *list =
        arena_new_array(a, struct content_descriptor, n + 1);
    for (size_t i = 0; i < n; i++)
        if (get_descriptor(a, json_array_get(v, i), &list[i], err) < 0)
            return wrap(err, "%s[%zu]", name, i);
    *ret = list;
    *ret_count = n;
    return 0;
}

/* What the body is, from its own mediaType, the transport's, or its members. */
static int decide_type(struct arena *a, const json_t *j, const char *content_type,
                       const char **ret, struct error *err)
{
    const char *own;
    if (get_string(a, j, "mediaType", &own, err) < 0)
        return -(int)err->code;
    char *header = arena_strdup(a, content_type ? content_type : "");
    header[strcspn(header, "; \t")] = '\0';
    bool known = strstr(header, "manifest") || strstr(header, "image.index");
    if (*own && known && strcasecmp(own, header) != 0)
        return fail(err, E_INVALID, "mediaType is '%s', but it was sent as '%s'", own,
                    header);
    if (*own)
        *ret = own;
    else if (known)
        *ret = header;
    else if (json_object_get(j, "manifests"))
        *ret = MEDIA_OCI_INDEX;
    else
        *ret = MEDIA_OCI_MANIFEST;
    return 0;
}

static int parse_image(struct arena *a, const json_t *j, struct manifest *m,
                       struct error *err)
{
    if (get_descriptor(a, json_object_get(j, "config"), &m->config, err) < 0)
        return wrap(err, "config");
    if (m->config.size > IMAGE_CONFIG_MAX_BYTES)
        return fail(err, E_LIMIT, "the image config has %llu bytes, and %u are allowed",
                    (unsigned long long)m->config.size, IMAGE_CONFIG_MAX_BYTES);
    return get_descriptors(a, j, "layers", IMAGE_MAX_LAYERS, &m->layers, &m->layer_count,
                           err);
}

static int parse_manifest(struct arena *a, const char *content_type, const json_t *j,
                          struct manifest *m, struct error *err)
{
    const json_t *version = json_object_get(j, "schemaVersion");
    if (json_integer_value(version) == 1)
        return fail(
            err, E_UNSUPPORTED,
            "it has the old schema 1; push the image again with a current client");
    if (json_integer_value(version) != 2)
        return fail(err, E_INVALID, "schemaVersion is not 2");
    int r = decide_type(a, j, content_type, &m->media_type, err);
    if (r < 0)
        return r;
    if (streq(m->media_type, MEDIA_OCI_INDEX) ||
        streq(m->media_type, MEDIA_DOCKER_LIST)) {
        m->kind = MANIFEST_INDEX;
        return get_descriptors(a, j, "manifests", INDEX_MAX_MANIFESTS, &m->manifests,
                               &m->manifest_count, err);
    }
    if (!streq(m->media_type, MEDIA_OCI_MANIFEST) &&
        !streq(m->media_type, MEDIA_DOCKER_MANIFEST))
        return fail(err, E_UNSUPPORTED, "its media type '%.200s' is not supported",
                    m->media_type);
    m->kind = MANIFEST_IMAGE;
    return parse_image(a, j, m, err);
}

int manifest_parse(struct arena *a, const char *content_type, const void *data,
                   size_t len, struct manifest *ret, struct error *err)
{
    struct error own;
    AUTO_JSON *j = NULL;
    struct manifest m = {0};
    if (!err)
        err = &own;
    if (load(data, len, MANIFEST_MAX_BYTES, &j, err) < 0 ||
        parse_manifest(a, content_type, j, &m, err) < 0)
        return wrap(err, "image manifest");
    *ret = m;
    return 0;
}

/* ---- platforms ---- */

void platform_of_machine(struct platform *ret)
{
    static const struct {
        const char *machine, *architecture, *variant;
    } table[] = {
        {"x86_64", "amd64", ""},    {"aarch64", "arm64", "v8"},
        {"armv7l", "arm", "v7"},    {"armv6l", "arm", "v6"},
        {"i686", "386", ""},        {"i586", "386", ""},
        {"riscv64", "riscv64", ""}, {"ppc64le", "ppc64le", ""},
        {"s390x", "s390x", ""},     {"loongarch64", "loong64", ""},
    };
    struct utsname u;
    *ret = (struct platform){"linux", "unknown", ""};
    if (uname(&u) < 0)
        return;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (streq(u.machine, table[i].machine))
            *ret = (struct platform){"linux", table[i].architecture, table[i].variant};
}

static const char *variant_of(const struct platform *p)
{
    if (*p->variant)
        return p->variant;
    return streq(p->architecture, "arm64") ? "v8"
           : streq(p->architecture, "arm") ? "v7"
                                           : "";
}

/* 0: can't run; higher is better. */
static int match(const struct platform *have, const struct platform *want)
{
    if (!*have->os && !*have->architecture)
        return 1;
    if (!streq(have->os, want->os) || !streq(have->architecture, want->architecture))
        return 0;
    const char *h = variant_of(have), *w = variant_of(want);
    if (streq(h, w))
        return 1000;
    /* "v7" runs "v6"; amd64's "v2" and "v3" need what this machine may not have. */
    if (streq(want->architecture, "arm") && h[0] == 'v' && w[0] == 'v' && h[1] < w[1])
        return 100 + h[1];
    return 0;
}

static void print_platform(const struct platform *p, struct str *ret)
{
    str_addf(ret, "%s/%s%s%s", p->os, p->architecture, *p->variant ? "/" : "",
             p->variant);
}

int manifest_select(const struct manifest *index, const struct platform *want,
                    const struct content_descriptor **ret, struct error *err)
{
    const struct content_descriptor *best = NULL;
    int best_score = 0;
    AUTO_STR offered = STR_INIT;
    AUTO_STR wanted = STR_INIT;
    for (size_t i = 0; i < index->manifest_count; i++) {
        const struct content_descriptor *d = &index->manifests[i];
        /* Attestations that buildkit hangs beside images say "unknown/unknown". */
        if (streq(d->platform.os, "unknown"))
            continue;
        int score = match(&d->platform, want);
        if (score > best_score) {
            best = d;
            best_score = score;
        }
        if (offered.len < 400) {
            str_add(&offered, offered.len ? ", " : "");
            print_platform(&d->platform, &offered);
        }
    }
    if (!best) {
        print_platform(want, &wanted);
        return fail(err, E_UNSUPPORTED,
                    "no matching manifest for %s in the manifest list; it offers: %s",
                    wanted.data, offered.len ? offered.data : "nothing");
    }
    *ret = best;
    return 0;
}

int image_config_check_platform(const struct image_config *c, const struct platform *want,
                                struct error *err)
{
    if (match(&c->platform, want) > 0)
        return 0;
    AUTO_STR has = STR_INIT;
    AUTO_STR wants = STR_INIT;
    print_platform(&c->platform, &has);
    print_platform(want, &wants);
    return fail(err, E_UNSUPPORTED, "the image is for %s, and this machine is %s",
                has.data, wants.data);
}

/* ---- config ---- */

static int get_labels(struct arena *a, json_t *obj, struct image_config *c,
                      struct error *err)
{
    json_t *labels = NULL, *v;
    const char *key;
    size_t i = 0;
    if (get_object(obj, "Labels", &labels, err) < 0)
        return -(int)err->code;
    c->label_names = arena_new_array(a, const char *, json_object_size(labels) + 1);
    c->label_values = arena_new_array(a, const char *, json_object_size(labels) + 1);
    json_object_foreach (labels, key, v) {
        if (!json_is_string(v))
            return fail(err, E_INVALID, "label '%s' is no string", key);
        c->label_names[i] = arena_strdup(a, key);
        c->label_values[i++] = arena_strdup(a, json_string_value(v));
    }
    return 0;
}

static int get_run_part(struct arena *a, json_t *j, struct image_config *c,
                        struct error *err)
{
    json_t *run = NULL;
    if (get_object(j, "config", &run, err) < 0 ||
        get_strings(a, run, "Entrypoint", &c->entrypoint, NULL, err) < 0 ||
        get_strings(a, run, "Cmd", &c->cmd, NULL, err) < 0 ||
        get_strings(a, run, "Env", &c->env, NULL, err) < 0 ||
        get_string(a, run, "WorkingDir", &c->working_dir, err) < 0 ||
        get_string(a, run, "User", &c->user, err) < 0 ||
        get_string(a, run, "StopSignal", &c->stop_signal, err) < 0 ||
        get_keys(a, run, "ExposedPorts", &c->exposed_ports, err) < 0 ||
        get_keys(a, run, "Volumes", &c->volumes, err) < 0 ||
        get_labels(a, run, c, err) < 0)
        return -(int)err->code;
    return 0;
}

static int get_rootfs(struct arena *a, json_t *j, struct image_config *c,
                      struct error *err)
{
    json_t *rootfs = NULL;
    const char *type;
    if (get_object(j, "rootfs", &rootfs, err) < 0)
        return -(int)err->code;
    if (!rootfs)
        return fail(err, E_UNSUPPORTED, "it has no rootfs: this is no container image");
    if (get_string(a, rootfs, "type", &type, err) < 0 ||
        get_strings(a, rootfs, "diff_ids", &c->diff_ids, &c->diff_id_count, err) < 0)
        return -(int)err->code;
    if (!streq(type, "layers"))
        return fail(err, E_UNSUPPORTED, "its rootfs type is '%.60s'", type);
    if (c->diff_id_count > IMAGE_MAX_LAYERS)
        return fail(err, E_LIMIT, "%zu layers, and %d are allowed", c->diff_id_count,
                    IMAGE_MAX_LAYERS);
    for (size_t i = 0; i < c->diff_id_count; i++) {
        struct blob_digest d;
        if (blob_digest_parse(c->diff_ids[i], &d, err) < 0)
            return wrap(err, "diff_ids[%zu]", i);
    }
    return 0;
}

int image_config_parse(struct arena *a, const void *data, size_t len,
                       struct image_config *ret, struct error *err)
{
    struct error own;
    AUTO_JSON *j = NULL;
    struct image_config c = {0};
    if (!err)
        err = &own;
    if (load(data, len, IMAGE_CONFIG_MAX_BYTES, &j, err) < 0 ||
        get_platform(a, j, &c.platform, err) < 0 ||
        get_string(a, j, "created", &c.created, err) < 0 ||
        get_run_part(a, j, &c, err) < 0 || get_rootfs(a, j, &c, err) < 0)
        return wrap(err, "image config");
    /* A name without a value means nothing to execve(2); Docker runs such images too. */
    const char **keep = c.env;
    for (const char **e = c.env; *e; e++)
        if (strchr(*e, '=') && **e != '=')
            *keep++ = *e;
    *keep = NULL;
    *ret = c;
    return 0;
}
