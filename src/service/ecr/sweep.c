/* Layers that no image names any more.
 *
 * Deleting an image leaves its layers linked to the repository: a client may just have
 * asked for one, been told that it is there, and be about to push a manifest that names
 * it. So the links are looked through an hour later, and those that are older than that
 * and named by no manifest of the repository go; the files follow when nobody at all
 * names them (blob_use_drop). The same happens an hour after a start, because what waited
 * for its hour is not stored. */
#include <stdlib.h>
#include <string.h>

#include "ecr_state.h"

#define SWEEP_DELAY_MS (60 * 60 * 1000LL)

struct named {
    const char *digest;
    UT_hash_handle hh;
};

/* Every blob that a manifest of the repository names. */
static void collect_named(struct core *core, const struct ecr_scope *s, const char *name,
                          struct named **ret)
{
    struct arena *a = core_scratch(core);
    struct table *table = ecr_of(core)->manifests;
    const char *prefix = ecr_part_key(a, "manifest", s, name, "");
    struct manifest *m;
    for (const char *at = prefix; (m = table_next(table, prefix, at)); at = m->o.key)
        for (size_t i = 0; i < m->rec->blobs.n; i++) {
            struct named *n;
            HASH_FIND_STR(*ret, m->rec->blobs.v[i], n);
            if (n)
                continue;
            n = arena_new(a, struct named);
            n->digest = m->rec->blobs.v[i];
            HASH_ADD_KEYPTR(hh, *ret, n->digest, strlen(n->digest), n);
        }
}

static void sweep_links(struct core *core, const struct ecr_scope *s, const char *name,
                        struct named *named)
{
    struct arena *a = core_scratch(core);
    struct table *table = ecr_of(core)->links;
    const char *prefix = ecr_part_key(a, "blob", s, name, ""), *at = prefix;
    struct blob_link *l;
    while ((l = table_next(table, prefix, at))) {
        const char *digest = arena_strdup(a, ecr_part_name(&l->o));
        struct named *n;
        at = arena_strdup(a, l->o.key);
        HASH_FIND_STR(named, digest, n);
        if (!n && core_now_ms(core) - l->rec->linked_at.v >= SWEEP_DELAY_MS)
            ecr_blob_unlink(core, s, name, digest);
    }
}

static void sweep(struct core *core, struct wake *w)
{
    struct repository *r = list_entry(w, struct repository, sweep);
    const struct ecr_repository *rec = r->rec->repository;
    struct arn arn;
    struct named *named = NULL;
    if (!arn_parse(core_scratch(core), rec->repository_arn, &arn))
        return;
    struct ecr_scope scope = {.account = arn.account, .region = arn.region};
    collect_named(core, &scope, rec->repository_name, &named);
    sweep_links(core, &scope, rec->repository_name, named);
    HASH_CLEAR(hh, named);
}

void repository_sweep_later(struct core *core, struct repository *r)
{
    /* Not the earlier of two times: the hour of the last deletion counts. */
    wake_cancel(core, &r->sweep);
    wake_at(core, &r->sweep, core_now_ms(core) + SWEEP_DELAY_MS);
}

void repository_init(struct repository *r)
{
    wake_init(&r->sweep, sweep);
    list_init(&r->indexes);
    list_init(&r->referrers);
}

int repository_loaded(struct core *core, struct object *o, struct error *err)
{
    struct repository *r = (struct repository *)o;
    if (!r->rec->repository)
        return fail(err, E_CORRUPT, "repository without a record");
    repository_init(r);
    repository_sweep_later(core, r);
    return 0;
}

void repository_unlink(struct core *core, struct object *o)
{
    wake_cancel(core, &((struct repository *)o)->sweep);
}
