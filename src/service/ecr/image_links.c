/* Who points at whom within a repository, kept beside the tables so that no question about
 * one image walks all of them: a manifest's tags, and of a repository the manifests that
 * name others (indexes, and referrers with their subject). Made again at each start. */
#include <stdlib.h>
#include <string.h>

#include "ecr_state.h"

/* ---- manifests ---- */

/* In the order of digests, as lists of referrers are shown. Loading comes in that order, so
 * the walk from the end is short then. */
static void insert_referrer(struct repository *r, struct manifest *m)
{
    struct list *at = r->referrers.prev;
    while (at != &r->referrers &&
           strcmp(list_entry(at, struct manifest, referrer)->rec->digest,
                  m->rec->digest) > 0)
        at = at->prev;
    list_append(at->next, &m->referrer);
}

void manifest_link(struct repository *r, struct manifest *m)
{
    list_init(&m->tags);
    list_init(&m->index);
    list_init(&m->referrer);
    if (r && m->rec->children.n > 0)
        list_append(&r->indexes, &m->index);
    if (r && m->rec->subject)
        insert_referrer(r, m);
}

/* "/ecr/manifest/<account>/<region>/<repository>:<digest>" */
static struct repository *repository_of(struct core *core, const struct object *o)
{
    const char *name = object_name(o);
    size_t n = (size_t)(ecr_part_name(o) - 1 - name);
    return table_find(
        ecr_of(core)->repositories,
        arena_printf(core_scratch(core), "/ecr/repository/%.*s", (int)n, name));
}

int manifest_loaded(struct core *core, struct object *o, struct error *err)
{
    struct manifest *m = (struct manifest *)o;
    if (!m->rec->digest)
        return fail(err, E_CORRUPT, "manifest without a digest");
    blob_use_add(ecr_of(core), m->rec->digest);
    manifest_link(repository_of(core, o), m);
    return 0;
}

void manifest_unlink(struct core *core, struct object *o)
{
    struct manifest *m = (struct manifest *)o;
    list_for_each_safe (it, &m->tags)
        list_remove(it);
    list_remove(&m->index);
    list_remove(&m->referrer);
}

static bool list_has(const struct string_list *l, const char *text)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i], text))
            return true;
    return false;
}

struct manifest *manifest_parent(const struct repository *r, const char *digest)
{
    list_for_each (it, &r->indexes) {
        struct manifest *m = list_entry(it, struct manifest, index);
        if (list_has(&m->rec->children, digest))
            return m;
    }
    return NULL;
}

/* ---- tags ---- */

void tag_link(struct image_tag *t, struct manifest *m)
{
    list_remove(&t->at);
    list_append(&m->tags, &t->at);
}

int tag_loaded(struct core *core, struct object *o, struct error *err)
{
    struct image_tag *t = (struct image_tag *)o;
    const char *name = object_name(o);
    size_t n = (size_t)(ecr_part_name(o) - name); /* with the colon */
    list_init(&t->at);
    struct manifest *m =
        t->rec->digest
            ? table_find(ecr_of(core)->manifests,
                         arena_printf(core_scratch(core), "/ecr/manifest/%.*s%s", (int)n,
                                      name, t->rec->digest))
            : NULL;
    if (!m)
        return fail(err, E_CORRUPT, "a tag of no manifest");
    tag_link(t, m);
    return 0;
}

void tag_unlink(struct core *core, struct object *o)
{
    list_remove(&((struct image_tag *)o)->at);
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

void manifest_tags(const struct manifest *m, struct arena *a, struct string_list *ret)
{
    list_for_each (it, &m->tags)
        *LIST_PUSH(a, ret) =
            arena_strdup(a, ecr_part_name(&list_entry(it, struct image_tag, at)->o));
    if (ret->n > 1)
        qsort(ret->v, ret->n, sizeof(*ret->v), compare_names);
}
