#include "elb_page.h"

#include "page.h"

#define PAGE_MAX 400

int elb_page_start(struct call *c, const char *prefix, const char *marker,
                   struct opt_int page_size, struct elb_page *ret)
{
    *ret = (struct elb_page){.prefix = prefix,
                             .after = prefix,
                             .left = page_size.set ? (size_t)page_size.v : PAGE_MAX};
    if (marker && (!page_position(&c->arena, marker, &ret->after) ||
                   !str_starts(ret->after, prefix)))
        return elb_invalid(c, "Invalid marker '%s'", marker);
    return 0;
}

void *elb_page_next(struct call *c, struct elb_page *p, struct table *t)
{
    struct object *o = table_next(t, p->prefix, p->after);
    if (!o)
        return NULL;
    if (p->left == 0) {
        p->next_marker = page_token(&c->arena, p->after);
        return NULL;
    }
    p->left--;
    p->after = o->key;
    return o;
}
