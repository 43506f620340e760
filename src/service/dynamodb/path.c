#include "path.h"

attribute_value *path_get_part(const struct path *p, size_t n, const attribute_map *item)
{
    attribute_value *v = item_get(item, p->steps[0].name);
    for (size_t i = 1; i < n && v; i++) {
        const struct path_step *s = &p->steps[i];
        if (s->name)
            v = v->m.set ? item_get(&v->m, s->name) : NULL;
        else
            v = v->l.set && s->index < v->l.n ? &v->l.v[s->index] : NULL;
    }
    return v;
}

attribute_value *path_get(const struct path *p, const attribute_map *item)
{
    return path_get_part(p, p->n, item);
}

enum path_relation path_relation(const struct path *a, const struct path *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        const struct path_step *x = &a->steps[i], *y = &b->steps[i];
        if (!x->name != !y->name)
            return PATH_CONFLICT;
        if (x->name ? !streq(x->name, y->name) : x->index != y->index)
            return PATH_APART;
    }
    return PATH_OVERLAP;
}

bool path_equal(const struct path *a, const struct path *b)
{
    return a->n == b->n && path_relation(a, b) == PATH_OVERLAP;
}

void path_describe(const struct path *p, struct str *out)
{
    for (size_t i = 0; i < p->n; i++) {
        str_add(out, i ? ", " : "[");
        if (p->steps[i].name)
            str_add(out, p->steps[i].name);
        else
            str_addf(out, "[%u]", p->steps[i].index);
    }
    str_addc(out, ']');
}
