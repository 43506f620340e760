#include "ecr_state.h"

#include <stdlib.h>
#include <string.h>

static const char ecr_service_key;

struct ecr *ecr_of(const struct core *core)
{
    return core_service(core, &ecr_service_key);
}

/* ---- how often a digest is named ---- */

void blob_use_add(struct ecr *ecr, const char *digest)
{
    struct blob_use *u;
    HASH_FIND_STR(ecr->uses, digest, u);
    if (!u) {
        u = xcalloc(1, sizeof(*u));
        u->digest = xstrdup(digest);
        HASH_ADD_KEYPTR(hh, ecr->uses, u->digest, strlen(u->digest), u);
    }
    u->count++;
}

struct unused {
    struct outbound out;
    const struct ecr_settings *settings;
    char *digest;
};

static void unused_deliver(struct outbound *out)
{
    struct unused *u = list_entry(out, struct unused, out);
    u->settings->blob_unused(u->settings->ctx, u->digest);
    free(u->digest);
    free(u);
}

void blob_use_drop(struct core *core, const char *digest)
{
    struct ecr *ecr = ecr_of(core);
    struct blob_use *u;
    HASH_FIND_STR(ecr->uses, digest, u);
    if (!u || --u->count > 0)
        return;
    HASH_DEL(ecr->uses, u);
    if (ecr->settings.blob_unused) {
        struct unused *gone = xcalloc(1, sizeof(*gone));
        gone->out.deliver = unused_deliver;
        gone->settings = &ecr->settings;
        gone->digest = xstrdup(digest);
        core_send(core, &gone->out);
    }
    free(u->digest);
    free(u);
}

bool ecr_digest_used(const struct core *core, const char *digest)
{
    struct blob_use *u;
    HASH_FIND_STR(ecr_of(core)->uses, digest, u);
    return u != NULL;
}

int link_loaded(struct core *core, struct object *o, struct error *err)
{
    blob_use_add(ecr_of(core), ecr_part_name(o));
    return 0;
}

/* ---- */

static const struct table_type repository_table = {
    .prefix = "/ecr/repository/",
    .shape = &gantry_repository_record_shape,
    .object_size = sizeof(struct repository),
    .record_offset = offsetof(struct repository, rec),
    .loaded = repository_loaded,
    .unlink = repository_unlink,
};
static const struct table_type manifest_table = {
    .prefix = "/ecr/manifest/",
    .shape = &gantry_manifest_record_shape,
    .object_size = sizeof(struct manifest),
    .record_offset = offsetof(struct manifest, rec),
    .loaded = manifest_loaded,
    .unlink = manifest_unlink,
};
static const struct table_type tag_table = {
    .prefix = "/ecr/tag/",
    .shape = &gantry_image_tag_record_shape,
    .object_size = sizeof(struct image_tag),
    .record_offset = offsetof(struct image_tag, rec),
    .loaded = tag_loaded,
    .unlink = tag_unlink,
};
static const struct table_type link_table = {
    .prefix = "/ecr/blob/",
    .shape = &gantry_blob_link_record_shape,
    .object_size = sizeof(struct blob_link),
    .record_offset = offsetof(struct blob_link, rec),
    .loaded = link_loaded,
};

static void detach(void *state)
{
    struct ecr *ecr = state;
    struct blob_use *u, *next;
    HASH_ITER (hh, ecr->uses, u, next) {
        HASH_DEL(ecr->uses, u);
        free(u->digest);
        free(u);
    }
    free((char *)(uintptr_t)ecr->settings.token_secret);
    free((char *)(uintptr_t)ecr->settings.endpoint);
    free(ecr);
}

void ecr_attach(struct core *core, const struct ecr_settings *settings)
{
    struct ecr *ecr = xcalloc(1, sizeof(*ecr));
    ecr->settings = *settings;
    ecr->settings.token_secret = xstrdup(settings->token_secret);
    ecr->settings.endpoint = xstrdup(settings->endpoint);
    core_set_service(core, &ecr_service_key, ecr, detach);
    ecr->repositories = table_add(core, &repository_table);
    ecr->manifests = table_add(core, &manifest_table);
    ecr->tags = table_add(core, &tag_table);
    ecr->links = table_add(core, &link_table);
}
