#include "registry_manifest.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "str.h"

#define MAX_ANNOTATIONS 1000

static const struct {
    const char *type;
    bool index;
} known[] = {
    {"application/vnd.oci.image.manifest.v1+json", false},
    {"application/vnd.oci.image.index.v1+json", true},
    {"application/vnd.docker.distribution.manifest.v2+json", false},
    {"application/vnd.docker.distribution.manifest.list.v2+json", true},
};

static void json_free(json_t **j)
{
    json_decref(*j);
}
#define AUTO_JSON __attribute__((cleanup(json_free))) json_t

static json_t *load(const void *data, size_t len, struct error *err)
{
    json_error_t where;
    json_t *j = json_loadb(data, len, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(j)) {
        json_decref(j);
        fail(err, E_INVALID, "the manifest is no JSON object (line %d: %s)", where.line,
             j ? "another kind of value" : where.text);
        return NULL;
    }
    return j;
}

/* An optional string; false when it is something else. */
static bool text(struct arena *a, const json_t *j, const char *name, const char **ret)
{
    const json_t *v = json_object_get(j, name);
    *ret = NULL;
    if (!v)
        return true;
    if (!json_is_string(v))
        return false;
    *ret = arena_strdup(a, json_string_value(v));
    return true;
}

/* ---- descriptors ---- */

struct descriptor {
    const char *media_type, *digest;
    int64_t size;
    bool elsewhere; /* need not be in this registry */
};

static int descriptor_read(struct arena *a, const json_t *j, const char *what,
                           struct descriptor *ret, struct error *err)
{
    struct blob_digest digest;
    const json_t *size = json_object_get(j, "size"), *urls = json_object_get(j, "urls");
    if (!json_is_object(j) || !text(a, j, "mediaType", &ret->media_type) ||
        !text(a, j, "digest", &ret->digest) || !ret->digest || !json_is_integer(size) ||
        json_integer_value(size) < 0)
        return fail(err, E_INVALID, "%s is no descriptor with mediaType, digest and size",
                    what);
    int r = blob_digest_parse(ret->digest, &digest, err);
    if (r < 0)
        return fail(err, E_INVALID, "%s: '%.160s' is no digest", what, ret->digest);
    ret->size = json_integer_value(size);
    const char *type = ret->media_type ? ret->media_type : "";
    ret->elsewhere = strstr(type, "nondistributable") || strstr(type, "foreign") ||
                     json_array_size(urls) > 0;
    return 0;
}

/* Sizes come from strangers: the sum stays where it is rather than overflow. */
static void add_size(struct manifest_facts *f, int64_t size)
{
    if (__builtin_add_overflow(f->m.image_size_bytes, size, &f->m.image_size_bytes))
        f->m.image_size_bytes = INT64_MAX;
}

static void note_blob(struct arena *a, struct manifest_facts *f,
                      const struct descriptor *d)
{
    add_size(f, d->size);
    if (d->elsewhere)
        return;
    *LIST_PUSH(a, &f->m.blobs) = d->digest;
    *LIST_PUSH(a, &f->required) = d->digest;
}

static int read_image(struct arena *a, const json_t *j, struct manifest_facts *f,
                      struct error *err)
{
    const json_t *layers = json_object_get(j, "layers");
    struct descriptor d = {0};
    size_t i;
    json_t *layer;
    int r = descriptor_read(a, json_object_get(j, "config"), "config", &d, err);
    if (r < 0)
        return r;
    f->m.artifact_media_type = d.media_type;
    note_blob(a, f, &d);
    if (!json_is_array(layers) || json_array_size(layers) > MANIFEST_MAX_ENTRIES)
        return fail(err, E_INVALID, "layers must be a list of at most %d descriptors",
                    MANIFEST_MAX_ENTRIES);
    json_array_foreach (layers, i, layer) {
        r = descriptor_read(a, layer, "a layer", &d, err);
        if (r < 0)
            return r;
        note_blob(a, f, &d);
    }
    return 0;
}

static int read_index(struct arena *a, const json_t *j, struct manifest_facts *f,
                      struct error *err)
{
    const json_t *manifests = json_object_get(j, "manifests");
    size_t i;
    json_t *child;
    if (!json_is_array(manifests) || json_array_size(manifests) > MANIFEST_MAX_ENTRIES)
        return fail(err, E_INVALID, "manifests must be a list of at most %d descriptors",
                    MANIFEST_MAX_ENTRIES);
    f->m.children.set = true;
    json_array_foreach (manifests, i, child) {
        struct descriptor d = {0};
        int r = descriptor_read(a, child, "an entry of manifests", &d, err);
        if (r < 0)
            return r;
        *LIST_PUSH(a, &f->m.children) = d.digest;
    }
    return 0;
}

/* ---- the whole ---- */

static int read_annotations(struct arena *a, const json_t *j, struct manifest_facts *f,
                            struct error *err)
{
    json_t *map = json_object_get(j, "annotations"), *value;
    const char *key;
    if (!map)
        return 0;
    if (!json_is_object(map) || json_object_size(map) > MAX_ANNOTATIONS)
        return fail(err, E_INVALID, "annotations must be an object of at most %d strings",
                    MAX_ANNOTATIONS);
    f->m.annotations.set = true;
    json_object_foreach (map, key, value) {
        if (!json_is_string(value))
            return fail(err, E_INVALID, "the annotation '%.80s' is no string", key);
        struct string_entry *e = LIST_PUSH(a, &f->m.annotations);
        e->key = arena_strdup(a, key);
        e->value = arena_strdup(a, json_string_value(value));
    }
    return 0;
}

static int read_common(struct arena *a, const json_t *j, struct manifest_facts *f,
                       struct error *err)
{
    const json_t *subject = json_object_get(j, "subject");
    if (json_integer_value(json_object_get(j, "schemaVersion")) != 2)
        return fail(err, E_INVALID, "schemaVersion must be 2");
    if (!text(a, j, "artifactType", &f->m.artifact_type))
        return fail(err, E_INVALID, "artifactType is no string");
    if (subject) {
        struct descriptor d = {0};
        int r = descriptor_read(a, subject, "subject", &d, err);
        if (r < 0)
            return r;
        f->m.subject = d.digest;
    }
    return read_annotations(a, j, f, err);
}

/* "type/sub; charset=…" without what follows the semicolon. */
static const char *bare_type(struct arena *a, const char *content_type)
{
    size_t n = strcspn(content_type, "; \t");
    return arena_strndup(a, content_type, n);
}

static int find_type(struct arena *a, const json_t *j, const char *content_type,
                     struct manifest_facts *f, struct error *err)
{
    const char *own;
    if (!text(a, j, "mediaType", &own))
        return fail(err, E_INVALID, "mediaType is no string");
    const char *type = content_type ? bare_type(a, content_type) : own;
    if (!type)
        return fail(err, E_INVALID,
                    "neither Content-Type nor mediaType says what this is");
    if (own && !streq(own, type))
        return fail(err, E_INVALID, "mediaType is '%.100s', Content-Type '%.100s'", own,
                    type);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (streq(known[i].type, type)) {
            f->m.media_type = type;
            f->is_index = known[i].index;
            return 0;
        }
    }
    return fail(err, E_UNSUPPORTED, "manifests of type '%.100s' are not supported", type);
}

int registry_manifest_parse(struct arena *a, const char *content_type, const void *data,
                            size_t len, struct manifest_facts *ret, struct error *err)
{
    struct manifest_facts f = {0};
    AUTO_JSON *j = load(data, len, err);
    if (!j)
        return -E_INVALID;
    int r = find_type(a, j, content_type, &f, err);
    if (r < 0)
        return r;
    /* One that could be read as either kind is how two clients see two images. */
    if (json_object_get(j, f.is_index ? "layers" : "manifests") ||
        (f.is_index && json_object_get(j, "config")))
        return fail(err, E_INVALID, "the manifest is image and index at once");
    r = read_common(a, j, &f, err);
    if (r == 0)
        r = f.is_index ? read_index(a, j, &f, err) : read_image(a, j, &f, err);
    if (r < 0)
        return r;
    *ret = f;
    return 0;
}

int manifest_each_child(struct arena *a, const void *data, size_t len,
                        void (*visit)(void *ctx, const char *digest,
                                      const char *artifact_type, const char *json),
                        void *ctx, struct error *err)
{
    AUTO_JSON *j = load(data, len, err);
    if (!j)
        return -E_INVALID;
    json_t *list = json_object_get(j, "manifests"), *child;
    size_t i;
    if (!json_is_array(list))
        return fail(err, E_INVALID, "it has no manifests");
    json_array_foreach (list, i, child) {
        struct descriptor d = {0};
        const char *type;
        if (descriptor_read(a, child, "an entry", &d, NULL) < 0 ||
            !text(a, child, "artifactType", &type))
            continue;
        char *dump = json_dumps(child, JSON_COMPACT);
        if (dump)
            visit(ctx, d.digest, type, arena_strdup(a, dump));
        free(dump);
    }
    return 0;
}
