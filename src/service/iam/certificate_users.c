#include "certificate_users.h"

#include <stdlib.h>

void certificate_users_set(struct certificate_users *u, const char *user, bool used)
{
    size_t at = 0;
    while (at < u->n && !streq(u->v[at], user))
        at++;
    if (used && at == u->n) {
        u->v = xrealloc(u->v, (u->n + 1) * sizeof(*u->v));
        u->v[u->n++] = xstrdup(user);
    } else if (!used && at < u->n) {
        free(u->v[at]);
        u->v[at] = u->v[--u->n];
    }
}

void certificate_users_free(struct certificate_users *u)
{
    for (size_t i = 0; i < u->n; i++)
        free(u->v[i]);
    free(u->v);
    *u = (struct certificate_users){0};
}

void certificate_users_list(const struct certificate_users *u, struct arena *a,
                            struct string_list *ret)
{
    for (size_t i = 0; i < u->n; i++)
        *LIST_PUSH(a, ret) = u->v[i];
}
