/* XML into structs. expat reads; what it says becomes a light tree in the arena, because
 * members may come in any order and lists may be scattered. Document types are refused, so
 * there are no entities to expand; depth and memory are bounded. */
#include <expat.h>

#include "codec.h"
#include "scalar.h"
#include "slot.h"

struct node {
    const char *name,
        *text; /* without a namespace's prefix; text never NULL at the end */
    const char **attributes; /* pairs, NULL-ended */
    struct node *up, *first, *last, *next;
    size_t text_len, text_cap;
};

struct tree {
    struct wire_report *report;
    struct arena *arena;
    XML_Parser parser;
    struct node *root, *at;
    int depth;
    int failed; /* <0: reported already */
};

struct reader {
    struct wire_report *report;
    struct arena *arena;
};

static int read_value(struct reader *r, const struct wire_path *path,
                      const struct wire_member *m, const struct wire_shape *shape,
                      const struct node *node, int depth, void *slot);

static void give_up(struct tree *t, int failed)
{
    t->failed = failed;
    XML_StopParser(t->parser, XML_FALSE);
}

static void on_doctype(void *data, const XML_Char *name, const XML_Char *system_id,
                       const XML_Char *public_id, int internal)
{
    struct tree *t = data;
    give_up(t, report_syntax(t->report, "document types are not accepted"));
}

static const char *local(const char *name)
{
    const char *colon = strchr(name, ':');
    return colon ? colon + 1 : name;
}

static void on_start(void *data, const XML_Char *name, const XML_Char **attributes)
{
    struct tree *t = data;
    if (t->failed)
        return;
    if (++t->depth > WIRE_MAX_DEPTH) {
        give_up(t, report_syntax(t->report, "nested too deeply"));
        return;
    }
    if (report_budget(t->report) < 0) {
        give_up(t, -E_INVALID);
        return;
    }
    struct node *n = arena_new(t->arena, struct node);
    n->name = arena_strdup(t->arena, local(name));
    n->text = "";
    size_t count = 0;
    while (attributes[count])
        count++;
    n->attributes = arena_new_array(t->arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        n->attributes[i] = arena_strdup(t->arena, attributes[i]);
    n->up = t->at;
    if (!t->at)
        t->root = n;
    else if (t->at->last)
        t->at->last = t->at->last->next = n;
    else
        t->at->last = t->at->first = n;
    t->at = n;
}

static void on_end(void *data, const XML_Char *name)
{
    struct tree *t = data;
    t->depth--;
    if (t->at)
        t->at = t->at->up;
}

/* expat hands text over in pieces; the buffer doubles. */
static void on_text(void *data, const XML_Char *text, int len)
{
    struct tree *t = data;
    struct node *n = t->at;
    if (t->failed || !n)
        return;
    if (n->text_len + (size_t)len + 1 > n->text_cap) {
        n->text_cap = 2 * (n->text_len + (size_t)len + 1);
        char *grown = arena_alloc(t->arena, n->text_cap);
        memcpy(grown, n->text, n->text_len);
        n->text = grown;
    }
    memcpy((char *)n->text + n->text_len, text, (size_t)len);
    n->text_len += (size_t)len;
}

static int parse(struct tree *t, const char *text, size_t len)
{
    t->parser = XML_ParserCreate("UTF-8");
    if (!t->parser)
        return report_syntax(t->report, "no memory for the XML parser");
    XML_SetUserData(t->parser, t);
    XML_SetElementHandler(t->parser, on_start, on_end);
    XML_SetCharacterDataHandler(t->parser, on_text);
    XML_SetStartDoctypeDeclHandler(t->parser, on_doctype);
    int r = 0;
    if (len > INT32_MAX || XML_Parse(t->parser, text, (int)len, 1) != XML_STATUS_OK)
        r = t->failed ? t->failed
                      : report_syntax(t->report, "the body is not well-formed XML: %s",
                                      XML_ErrorString(XML_GetErrorCode(t->parser)));
    XML_ParserFree(t->parser);
    return r;
}

static const char *attribute(const struct node *node, const char *name)
{
    for (const char **a = node->attributes; *a; a += 2)
        if (strcmp(*a, name) == 0)
            return a[1];
    return NULL;
}

static const struct node *child(const struct node *node, const char *name)
{
    for (const struct node *c = node->first; c; c = c->next)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static int read_entry(struct reader *r, const struct wire_path *path,
                      const struct wire_shape *shape, const struct node *node, int depth,
                      struct wire_list *map)
{
    const struct node *k = child(node, shape->key_name ? shape->key_name : "key");
    const struct node *v =
        child(node, shape->element_name ? shape->element_name : "value");
    if (!k || !v)
        return report_type(r->report, path, "map entry without key or value");
    struct wire_path here = {.up = path,
                             .name = k->text,
                             .element = true,
                             .sensitive = path && path->sensitive};
    if (shape->key->type == WIRE_ENUM && !wire_enum_value(shape->key, k->text))
        report_enum(r->report, &here, shape->key, k->text);
    void *entry = wire_list_push(r->arena, map, shape->entry_size);
    *(const char **)entry = arena_strdup(r->arena, k->text);
    return read_value(r, &here, NULL, shape->element, v, depth,
                      slot_map_value(shape, entry));
}

static int read_item(struct reader *r, const struct wire_path *path,
                     const struct wire_shape *shape, const struct node *node, int depth,
                     struct wire_list *list)
{
    list->set = true;
    if (shape->type == WIRE_MAP)
        return read_entry(r, path, shape, node, depth, list);
    struct wire_path here = {
        .up = path, .index = list->n + 1, .sensitive = path && path->sensitive};
    void *slot = wire_list_push(r->arena, list, shape->entry_size);
    return read_value(r, &here, NULL, shape->element, node, depth, slot);
}

static int read_wrapped(struct reader *r, const struct wire_path *path,
                        const struct wire_shape *shape, const struct node *node,
                        int depth, struct wire_list *list)
{
    list->set = true;
    const char *item = shape->type == WIRE_MAP ? "entry"
                       : shape->element_name   ? shape->element_name
                                               : "member";
    for (const struct node *c = node->first; c; c = c->next) {
        if (strcmp(c->name, item) != 0)
            continue;
        int e = read_item(r, path, shape, c, depth, list);
        if (e < 0)
            return e;
    }
    const char *twice =
        shape->type == WIRE_MAP ? slot_twice(r->arena, shape, list) : NULL;
    return twice ? report_syntax(r->report, "key '%.100s' appears twice", twice) : 0;
}

static bool is_flat(const struct wire_member *m)
{
    return (m->shape->type == WIRE_LIST || m->shape->type == WIRE_MAP) &&
           (m->shape->flattened || m->flags & WIRE_FLATTENED);
}

static const struct wire_member *find(const struct wire_shape *shape, const char *name,
                                      uint32_t *hint)
{
    const struct wire_member *m = slot_find(shape, name, strlen(name), true, hint);
    for (uint32_t i = 0; !m && i < shape->member_count; i++) {
        const struct wire_member *x = &shape->members[i];
        if (is_flat(x) && x->shape->type == WIRE_LIST &&
            streq(x->shape->element_name, name))
            m = x;
    }
    return m;
}

static int read_member(struct reader *r, const struct wire_path *path,
                       const struct wire_member *m, const struct node *node, int depth,
                       void *base)
{
    struct wire_path here = {
        .up = path, .name = m->name, .sensitive = m->flags & WIRE_SENSITIVE};
    if (is_flat(m))
        return read_item(r, &here, m->shape, node, depth + 1,
                         slot_make(r->arena, m, base));
    if (slot_get(m, base))
        return report_syntax(r->report, "element '%s' appears twice", m->wire_name);
    return read_value(r, &here, m, m->shape, node, depth, slot_make(r->arena, m, base));
}

static int read_struct(struct reader *r, const struct wire_path *path,
                       const struct wire_shape *shape, const struct node *node, int depth,
                       void *base)
{
    uint32_t hint = 0;
    for (const struct node *c = node->first; c; c = c->next) {
        const struct wire_member *m = find(shape, c->name, &hint);
        int e = m ? read_member(r, path, m, c, depth, base) : 0;
        if (e < 0)
            return e;
    }
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *m = &shape->members[i];
        const char *text =
            m->flags & WIRE_XML_ATTRIBUTE ? attribute(node, m->wire_name) : NULL;
        if (!text)
            continue;
        struct wire_path here = {.up = path, .name = m->name};
        int e = scalar_read(r->report, &here, r->arena, m->shape, WIRE_TIME_ISO8601, text,
                            slot_make(r->arena, m, base));
        if (e < 0)
            return e;
    }
    return 0;
}

static int read_value(struct reader *r, const struct wire_path *path,
                      const struct wire_member *m, const struct wire_shape *shape,
                      const struct node *node, int depth, void *slot)
{
    if (depth >= WIRE_MAX_DEPTH)
        return report_syntax(r->report, "nested too deeply");
    if (report_budget(r->report) < 0)
        return -E_INVALID;
    switch ((enum wire_type)shape->type) {
    case WIRE_STRUCT:
        return read_struct(r, path, shape, node, depth + 1, slot);
    case WIRE_LIST:
    case WIRE_MAP:
        return read_wrapped(r, path, shape, node, depth + 1, slot);
    default:
        break;
    }
    if (node->first)
        return report_type(r->report, path, "elements where a plain value belongs");
    return scalar_read(r->report, path, r->arena, shape,
                       scalar_time_format(m, shape, WIRE_TIME_ISO8601), node->text, slot);
}

int xml_read(struct wire_report *r, struct arena *a, const char *text, size_t len,
             const struct wire_shape *shape, void *root)
{
    struct tree t = {.report = r, .arena = a};
    int e = parse(&t, text, len);
    if (e < 0)
        return e;
    if (!t.root)
        return report_syntax(r, "the body is not well-formed XML: no element");
    struct reader reader = {.report = r, .arena = a};
    return read_struct(&reader, NULL, shape, t.root, 0, root);
}
