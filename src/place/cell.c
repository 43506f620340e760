/* Cells: which instances are alike. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "index.h"
#include "pack.h"
#include "str.h"

#define MAX_CELLS 256 /* more than that, and an attribute is left out of them */

/* ---- attributes that every instance has for itself ---- */

bool attribute_unshared(const struct place_cluster *c, const char *name)
{
    struct unshared *u = NULL;
    if (c->unshared)
        HASH_FIND_STR(c->unshared, name, u);
    return u != NULL;
}

void attribute_unshare(struct place_cluster *c, const char *name)
{
    struct unshared *u = xcalloc(1, sizeof(*u));
    u->name = xstrdup(name);
    HASH_ADD_KEYPTR(hh, c->unshared, u->name, strlen(u->name), u);
}

/* ---- finding the cell ---- */

static void add_text(struct str *key, const char *text)
{
    str_add(key, text ? text : "\x01"); /* no value is not the same as an empty one */
    str_addc(key, '\n');
}

static void make_key(const struct place_cluster *c, const struct place_instance *i,
                     struct str *key)
{
    add_text(key, i->info.pool);
    for (size_t a = 0; a < i->info.attribute_count; a++) {
        const struct place_attribute *at = &i->info.attributes[a];
        if (attribute_unshared(c, at->name))
            continue;
        add_text(key, at->name);
        add_text(key, at->value);
    }
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static char *put_text(char **at, const char *text)
{
    if (!text)
        return NULL;
    size_t n = strlen(text) + 1;
    char *copy = memcpy(*at, text, n);
    *at += n;
    return copy;
}

static void copy_attributes(const struct place_cluster *c, struct cell *cell,
                            const struct place_instance *i)
{
    size_t size = 1 + text_size(i->info.pool);
    for (size_t a = 0; a < i->info.attribute_count; a++)
        size += text_size(i->info.attributes[a].name) +
                text_size(i->info.attributes[a].value);
    char *at = cell->texts = xmalloc(size);
    cell->attributes =
        xcalloc(i->info.attribute_count + 1, sizeof(struct place_attribute));
    for (size_t a = 0; a < i->info.attribute_count; a++) {
        const struct place_attribute *from = &i->info.attributes[a];
        if (attribute_unshared(c, from->name))
            continue;
        struct place_attribute *to = &cell->attributes[cell->attribute_count++];
        to->name = put_text(&at, from->name);
        to->value = put_text(&at, from->value);
    }
    cell->pool = put_text(&at, i->info.pool);
    const char *zone =
        attribute_value(cell->attributes, cell->attribute_count, PLACE_ZONE_ATTRIBUTE);
    cell->zone = zone ? zone : "";
}

static uint32_t index_need(struct place_cluster *c)
{
    uint32_t index = 0;
    while (index < c->cell_count && c->cells[index])
        index++;
    if (index < c->cell_count)
        return index;
    uint32_t n = ++c->cell_count;
    c->cells = xrealloc(c->cells, n * sizeof(*c->cells));
    c->scratch_cells = xrealloc(c->scratch_cells, n * sizeof(*c->scratch_cells));
    c->scratch_batch = xrealloc(c->scratch_batch, n * sizeof(*c->scratch_batch));
    c->scratch_counts = xrealloc(c->scratch_counts, (n + 1) * sizeof(*c->scratch_counts));
    return index;
}

struct cell *cell_for(struct place_cluster *c, const struct place_instance *i)
{
    AUTO_STR key = STR_INIT;
    struct cell *cell = NULL;
    make_key(c, i, &key);
    HASH_FIND_STR(c->cells_by_key, str_text(&key), cell);
    if (cell)
        return cell;
    cell = xcalloc(1, sizeof(*cell));
    cell->key = xstrdup(str_text(&key));
    cell->index = index_need(c);
    c->cells[cell->index] = cell;
    c->cells_live++;
    c->cells_version++;
    copy_attributes(c, cell, i);
    HASH_ADD_KEYPTR(hh, c->cells_by_key, cell->key, strlen(cell->key), cell);
    return cell;
}

static void cell_free(struct place_cluster *c, struct cell *cell)
{
    HASH_DELETE(hh, c->cells_by_key, cell);
    c->cells[cell->index] = NULL;
    c->cells_live--;
    c->cells_version++;
    pack_free(cell->pack);
    fit_tree_free(&cell->tree);
    free(cell->slots);
    free(cell->attributes);
    free(cell->texts);
    free(cell->key);
    free(cell);
}

void cell_add(struct cell *cell, struct place_instance *i)
{
    if (cell->n == cell->cap) {
        cell->cap = cell->cap ? cell->cap * 2 : 8;
        cell->slots = xrealloc(cell->slots, cell->cap * sizeof(struct place_instance *));
    }
    i->cell = cell;
    i->slot = cell->n;
    cell->slots[cell->n++] = i;
    fit_tree_resize(&cell->tree, cell->n);
}

void cell_remove(struct place_cluster *c, struct place_instance *i)
{
    struct cell *cell = i->cell;
    pack_take_out(i);
    struct place_instance *last = cell->slots[cell->n - 1];
    cell->slots[i->slot] = last;
    last->slot = i->slot;
    if (last != i)
        instance_refit(last);
    fit_tree_resize(&cell->tree, --cell->n);
    if (cell->n == 0)
        cell_free(c, cell);
}

/* ---- too many cells ---- */

struct name_count {
    const char *name;
    uint32_t values;
    UT_hash_handle hh;
};

struct seen_value {
    const char *text; /* name, newline, value */
    UT_hash_handle hh;
};

static void count_value(struct arena *a, struct seen_value **seen,
                        struct name_count **names, const struct place_attribute *at)
{
    const char *text = arena_printf(a, "%s\n%s", at->name, at->value ? at->value : "");
    struct seen_value *v = NULL;
    HASH_FIND_STR(*seen, text, v);
    if (v)
        return;
    v = arena_new(a, struct seen_value);
    v->text = text;
    HASH_ADD_KEYPTR(hh, *seen, v->text, strlen(v->text), v);
    struct name_count *n = NULL;
    HASH_FIND_STR(*names, at->name, n);
    if (!n) {
        n = arena_new(a, struct name_count);
        n->name = at->name;
        HASH_ADD_KEYPTR(hh, *names, n->name, strlen(n->name), n);
    }
    n->values++;
}

const char *cells_too_many(struct place_cluster *c)
{
    if (c->cells_live <= MAX_CELLS)
        return NULL;
    AUTO_ARENA a = ARENA_INIT;
    struct seen_value *seen = NULL;
    struct name_count *names = NULL;
    for (uint32_t k = 0; k < c->cell_count; k++)
        for (size_t n = 0; c->cells[k] && n < c->cells[k]->attribute_count; n++)
            count_value(&a, &seen, &names, &c->cells[k]->attributes[n]);
    const struct name_count *most = NULL;
    for (const struct name_count *n = names; n; n = n->hh.next)
        if (strcmp(n->name, PLACE_ZONE_ATTRIBUTE) != 0 &&
            (!most || n->values > most->values))
            most = n;
    const char *ret = most && most->values > 1 ? most->name : NULL;
    HASH_CLEAR(hh, seen);
    HASH_CLEAR(hh, names);
    return ret;
}

/* ---- values of an attribute ---- */

static void field_fill(const struct place_cluster *c, struct spread_field *f)
{
    f->value_of = xrealloc(f->value_of, (c->cell_count + 1) * sizeof(*f->value_of));
    f->values = 0;
    for (uint32_t k = 0; k < c->cell_count; k++) {
        const struct cell *cell = c->cells[k];
        if (!cell)
            continue;
        const char *value =
            attribute_value(cell->attributes, cell->attribute_count, f->name);
        uint32_t known = 0;
        for (uint32_t j = 0; value && j < k; j++) {
            const struct cell *other = c->cells[j];
            const char *has = other ? attribute_value(other->attributes,
                                                      other->attribute_count, f->name)
                                    : NULL;
            if (has && strcmp(has, value) == 0) {
                known = f->value_of[j] + 1;
                break;
            }
        }
        /* Value 0 is "lacks it, or has it empty", as the strategy sees both as one. */
        f->value_of[k] = !value || !*value ? 0 : known ? known - 1 : ++f->values;
    }
    f->values++;
    f->version = c->cells_version;
}

const struct spread_field *cells_by_value(struct place_cluster *c, const char *name)
{
    struct spread_field *f = NULL;
    for (uint32_t k = 0; k < PLACE_MAX_FIELDS && !f; k++)
        if (c->fields[k].name && strcmp(c->fields[k].name, name) == 0)
            f = &c->fields[k];
    if (f && f->version == c->cells_version)
        return f;
    for (uint32_t k = 0; k < PLACE_MAX_FIELDS && !f; k++)
        if (!c->fields[k].name)
            f = &c->fields[k];
    if (!f) /* many fields: the oldest version gives way */
        f = &c->fields[c->cells_version % PLACE_MAX_FIELDS];
    if (!f->name || strcmp(f->name, name) != 0) {
        free(f->name);
        f->name = xstrdup(name);
    }
    field_fill(c, f);
    return f;
}

void cells_free(struct place_cluster *c)
{
    for (uint32_t k = 0; k < PLACE_MAX_FIELDS; k++) {
        free(c->fields[k].name);
        free(c->fields[k].value_of);
    }
    for (uint32_t k = 0; k < PLACE_MAX_NEEDS; k++)
        free(c->needs[k].allowed);
    struct unshared *u, *next;
    HASH_ITER (hh, c->unshared, u, next) {
        HASH_DELETE(hh, c->unshared, u);
        free(u->name);
        free(u);
    }
    free(c->cells);
    free(c->scratch_cells);
    free(c->scratch_batch);
    free(c->scratch_counts);
}
