#include "item_schema.h"

#include <stdlib.h>

#include "str.h"

static enum dynamodb_scalar_attribute_type
type_of(const struct dynamodb_table_description *t, const char *name)
{
    for (size_t i = 0; i < t->attribute_definitions.n; i++)
        if (streq(t->attribute_definitions.v[i].attribute_name, name))
            return t->attribute_definitions.v[i].attribute_type;
    return DYNAMODB_SCALAR_ATTRIBUTE_TYPE_UNSET;
}

static struct key_schema key_of(struct arena *a,
                                const struct dynamodb_table_description *t,
                                const struct dynamodb_key_schema_element_list *key)
{
    struct key_schema ret = {0};
    for (size_t i = 0; i < key->n; i++) {
        const char *name = key->v[i].attribute_name;
        struct key_attribute *k =
            key->v[i].key_type == DYNAMODB_KEY_TYPE_HASH ? &ret.hash : &ret.range;
        *k = (struct key_attribute){arena_strdup(a, name), type_of(t, name)};
    }
    return ret;
}

static void index_place(struct item_index *x,
                        const struct gantry_dynamodb_table_record *rec)
{
    for (size_t i = 0; i < rec->indexes.n; i++)
        if (streq(rec->indexes.v[i].name, x->name)) {
            x->space = (uint64_t)rec->indexes.v[i].space.v;
            x->filled = rec->indexes.v[i].filled.v;
        }
}

static void index_add(struct item_schema *s,
                      const struct gantry_dynamodb_table_record *rec, const char *name,
                      const struct dynamodb_key_schema_element_list *key,
                      const struct dynamodb_projection *projection, bool global)
{
    struct item_index *x = &s->indexes[s->index_count++];
    *x = (struct item_index){
        .name = arena_strdup(&s->arena, name),
        .global = global,
        .key = key_of(&s->arena, rec->table, key),
        .projection = projection->projection_type,
    };
    for (size_t i = 0; i < projection->non_key_attributes.n; i++)
        *LIST_PUSH(&s->arena, &x->attributes) =
            arena_strdup(&s->arena, projection->non_key_attributes.v[i]);
    index_place(x, rec);
}

static void indexes_set(struct item_schema *s,
                        const struct gantry_dynamodb_table_record *rec)
{
    const struct dynamodb_table_description *t = rec->table;
    s->indexes =
        arena_new_array(&s->arena, struct item_index,
                        t->local_secondary_indexes.n + t->global_secondary_indexes.n);
    for (size_t i = 0; i < t->local_secondary_indexes.n; i++) {
        const struct dynamodb_local_secondary_index_description *x =
            &t->local_secondary_indexes.v[i];
        index_add(s, rec, x->index_name, &x->key_schema, x->projection, false);
    }
    for (size_t i = 0; i < t->global_secondary_indexes.n; i++) {
        const struct dynamodb_global_secondary_index_description *x =
            &t->global_secondary_indexes.v[i];
        index_add(s, rec, x->index_name, &x->key_schema, x->projection, true);
    }
}

struct item_schema *item_schema_new(const struct gantry_dynamodb_table_record *rec)
{
    struct item_schema *s = xcalloc(1, sizeof(*s));
    atomic_init(&s->refs, 1);
    s->name = arena_strdup(&s->arena, rec->table->table_name);
    s->arn = arena_strdup(&s->arena, rec->table->table_arn);
    s->space = (uint64_t)rec->space.v;
    s->key = key_of(&s->arena, rec->table, &rec->table->key_schema);
    indexes_set(s, rec);
    if (rec->expiry) {
        s->expiry_attribute = arena_strdup(&s->arena, rec->expiry->attribute_name);
        s->expiry_space = (uint64_t)rec->expiry->space.v;
        s->expiry_filled = rec->expiry->filled.v;
    }
    return s;
}

struct item_schema *item_schema_ref(struct item_schema *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void item_schema_unref(struct item_schema *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    arena_free(&s->arena);
    free(s);
}

const struct item_index *item_schema_index(const struct item_schema *s, const char *name)
{
    for (size_t i = 0; i < s->index_count; i++)
        if (streq(s->indexes[i].name, name))
            return &s->indexes[i];
    return NULL;
}

bool key_schema_has(const struct key_schema *key, const char *name)
{
    return streq(key->hash.name, name) ||
           (key->range.name && streq(key->range.name, name));
}

bool item_index_has(const struct item_schema *s, const struct item_index *x,
                    const char *name)
{
    if (x->projection == DYNAMODB_PROJECTION_TYPE_ALL || key_schema_has(&x->key, name) ||
        key_schema_has(&s->key, name))
        return true;
    for (size_t i = 0; i < x->attributes.n; i++)
        if (streq(x->attributes.v[i], name))
            return true;
    return false;
}
