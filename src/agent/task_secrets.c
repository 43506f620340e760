#include "task_secrets.h"

#include <stdlib.h>

#include "engine.h"
#include "firelens_config.h"
#include "log.h"
#include "secret_ref.h"
#include "server_calls.h"
#include "str.h"
#include "task_keys.h"

#define TRIES         3  /* when a store can't answer */
#define TRIES_AWAY    45 /* when nobody does: a server may be starting again */
#define RETRY_MS      300
#define RETRY_MOST_MS 2000

enum use { USE_ENV, USE_FILE, USE_REGISTRY, USE_LOG, USE_CONFIG };

struct item {
    enum use use;
    size_t container;
    const char *name;
    struct secret_ref ref;
    const char *body; /* the answer; NULL: not yet */
    size_t len;
};

struct fetch {
    struct task *t;
    void (*then)(struct task *t, int r, const struct error *err);
    struct arena arena;
    struct item *items;
    size_t n, cap, at;
    unsigned tries;
    bool waits; /* for credentials */
    uv_timer_t timer;
    struct error err;
    int r;
};

/* ---- what is needed ---- */

static const struct ecs_environment_file_list *
override_files(const struct task *t, const struct ecs_container_definition *def)
{
    static const struct ecs_environment_file_list none;
    const struct ecs_container_override *o =
        container_override_find(t->host->overrides, def->name);
    return o ? &o->environment_files : &none;
}

static size_t count_of(const struct task *t, const struct ecs_container_definition *d)
{
    size_t log = d->log_configuration ? d->log_configuration->secret_options.n : 0;
    return d->secrets.n + d->environment_files.n + override_files(t, d)->n + log +
           (d->repository_credentials != NULL) +
           (d->firelens_configuration && firelens_external_arn(d));
}

bool task_secrets_needed(const struct task *t)
{
    for (size_t i = 0; i < t->container_count; i++)
        if (count_of(t, t->containers[i].def) > 0)
            return true;
    return false;
}

static int add(struct fetch *f, enum use use, size_t container, const char *name,
               const char *from)
{
    struct item *x = &f->items[f->n];
    *x = (struct item){.use = use, .container = container, .name = name};
    bool object = use == USE_FILE || use == USE_CONFIG;
    int r = object ? secret_ref_file(&f->arena, from, &x->ref, &f->err)
                   : secret_ref_parse(&f->arena, from, &x->ref, &f->err);
    if (r >= 0)
        f->n++;
    return r;
}

static int add_list(struct fetch *f, enum use use, size_t container,
                    const struct ecs_secret_list *l)
{
    int r = 0;
    for (size_t i = 0; i < l->n && r >= 0; i++)
        r = add(f, use, container, l->v[i].name, l->v[i].value_from);
    return r;
}

static int add_files(struct fetch *f, size_t container,
                     const struct ecs_environment_file_list *l)
{
    int r = 0;
    for (size_t i = 0; i < l->n && r >= 0; i++)
        r = add(f, USE_FILE, container, NULL, l->v[i].value);
    return r;
}

static int collect(struct fetch *f)
{
    const struct task *t = f->t;
    size_t most = 0;
    int r = 0;
    for (size_t i = 0; i < t->container_count; i++)
        most += count_of(t, t->containers[i].def);
    f->items = arena_new_array(&f->arena, struct item, most + 1);
    for (size_t i = 0; i < t->container_count && r >= 0; i++) {
        const struct ecs_container_definition *d = t->containers[i].def;
        if (d->repository_credentials)
            r = add(f, USE_REGISTRY, i, NULL,
                    d->repository_credentials->credentials_parameter);
        if (r >= 0 && d->firelens_configuration && firelens_external_arn(d))
            r = add(f, USE_CONFIG, i, NULL, firelens_external_arn(d));
        if (r >= 0)
            r = add_list(f, USE_ENV, i, &d->secrets);
        if (r >= 0 && d->log_configuration)
            r = add_list(f, USE_LOG, i, &d->log_configuration->secret_options);
        if (r >= 0)
            r = add_files(f, i, override_files(t, d));
        if (r >= 0)
            r = add_files(f, i, &d->environment_files);
    }
    return r;
}

/* ---- what came ---- */

static void push(struct arena *a, struct env_list *l, const char *name, const char *value)
{
    struct spec_pair *v = arena_new_array(a, struct spec_pair, l->n + 1);
    for (size_t i = 0; i < l->n; i++)
        v[i] = l->v[i];
    v[l->n++] = (struct spec_pair){name, value};
    l->v = v;
    l->cap = l->n;
}

static int take(struct fetch *f, const struct item *x)
{
    struct container *c = &f->t->containers[x->container];
    struct arena *a = &f->t->arena;
    const char *value = NULL;
    if (x->use == USE_FILE)
        return env_file_parse(a, x->body, x->len, &c->file_env, &f->err);
    if (x->use == USE_CONFIG) {
        c->firelens_external = arena_strndup(a, x->body, x->len);
        return 0;
    }
    int r = secret_take(a, &x->ref, x->body, x->len, &value, &f->err);
    if (r < 0)
        return r;
    if (x->use == USE_ENV)
        push(a, &c->secret_env, x->name, value);
    else if (x->use == USE_LOG)
        push(a, &c->log_secrets, x->name, value);
    else
        r = registry_secret_take(a, value, &c->registry_user, &c->registry_password,
                                 &f->err);
    return r;
}

static int take_all(struct fetch *f)
{
    int r = 0;
    for (size_t i = 0; i < f->t->container_count; i++) {
        struct container *c = &f->t->containers[i];
        c->file_env = c->secret_env = c->log_secrets = (struct env_list){0};
    }
    for (size_t i = 0; i < f->n && r >= 0; i++)
        r = take(f, &f->items[i]);
    return r;
}

/* ---- asking ---- */

void task_secrets_forget(struct task *t)
{
    if (!t->fetch)
        return;
    arena_free(&t->fetch->arena);
    free(t->fetch);
    t->fetch = NULL;
}

static void on_timer_closed(uv_handle_t *h)
{
    struct fetch *f = h->data;
    struct task *t = f->t;
    struct engine *e = t->engine;
    t->handles--;
    task_secrets_forget(t);
    engine_release(e, t);
}

static void end(struct fetch *f)
{
    f->t->jobs--;
    f->then(f->t, f->r, &f->err);
    uv_close((uv_handle_t *)&f->timer, on_timer_closed);
}

/* ECS's words about what went wrong, around the store's own. */
static void explain(struct fetch *f, const struct item *x, const char *complaint)
{
    unsigned again = f->tries > 0 ? f->tries - 1 : 0;
    if (x && x->ref.store == SECRET_S3) {
        f->r = fail(&f->err, E_NOTFOUND, "failed to download env files: %s: %s",
                    x->ref.value_from, complaint);
        return;
    }
    AUTO_STR what = STR_INIT;
    if (x && x->ref.store == SECRET_SSM)
        str_addf(&what,
                 "unable to retrieve secrets from ssm: service call has been "
                 "retried %u time(s): ",
                 again);
    else if (x)
        str_addf(&what,
                 "unable to retrieve secret from asm: service call has been retried %u "
                 "time(s): failed to fetch secret %s from secrets manager: ",
                 again, x->ref.id);
    f->r = fail(&f->err, E_NOTFOUND,
                "unable to pull secrets or registry auth: execution resource retrieval "
                "failed: %s%s",
                str_text(&what), complaint);
}

static void next(struct fetch *f);

static void on_retry(uv_timer_t *timer)
{
    next(timer->data);
}

static bool is_final(const struct server_answer *answer)
{
    return answer->status >= 400 && answer->status < 500 && answer->status != 429 &&
           !strstr(answer->body, "Throttl");
}

static void on_answer(void *ctx, const struct server_answer *answer)
{
    struct fetch *f = ctx;
    struct item *x = &f->items[f->at];
    if (answer->status == 200) {
        x->len = answer->body_len;
        x->body = arena_copy(&f->arena, answer->body, answer->body_len + 1);
        f->at++;
        f->tries = 0;
        next(f);
        return;
    }
    unsigned most = answer->status == 0 ? TRIES_AWAY : TRIES;
    if (!is_final(answer) && f->tries < most && !f->t->stop_wanted &&
        !f->t->engine->stopping) {
        uint64_t ms = (uint64_t)RETRY_MS << (f->tries < 4 ? f->tries : 4);
        uv_timer_start(&f->timer, on_retry, ms < RETRY_MOST_MS ? ms : RETRY_MOST_MS, 0);
        return;
    }
    AUTO_STR complaint = STR_INIT;
    if (answer->status == 0)
        str_add(&complaint, answer->err->text);
    else
        secret_complaint(answer->status, answer->body, &complaint);
    explain(f, x, str_text(&complaint));
    end(f);
}

static bool answered_before(struct fetch *f)
{
    struct item *x = &f->items[f->at];
    for (size_t i = 0; i < f->at; i++) {
        if (!secret_ref_same(&f->items[i].ref, &x->ref))
            continue;
        x->body = f->items[i].body;
        x->len = f->items[i].len;
        return true;
    }
    return false;
}

static void finish(struct fetch *f)
{
    struct error why = ERROR_INIT;
    f->r = take_all(f);
    if (f->r < 0) {
        why = f->err;
        explain(f, NULL, why.text);
    }
    end(f);
}

static void next(struct fetch *f)
{
    struct server_calls *calls = f->t->engine->calls;
    while (f->at < f->n && answered_before(f))
        f->at++;
    if (f->at == f->n) {
        finish(f);
        return;
    }
    f->waits = task_execution_awaited(f->t);
    if (f->waits)
        return;
    const struct sigv4_credentials *as = task_execution_keys(f->t);
    const struct secret_ref *ref = &f->items[f->at].ref;
    f->tries++;
    if (ref->store == SECRET_S3) {
        server_get_as(calls, as, secret_service(ref), ref->id, on_answer, f);
        return;
    }
    const char *body = secret_request(&f->arena, ref);
    server_call_as(calls, as, secret_service(ref), secret_target(ref), body, strlen(body),
                   on_answer, f);
}

void task_secrets_go_on(struct task *t)
{
    if (t->fetch && t->fetch->waits)
        next(t->fetch);
}

/* A bad name is told from the loop too, as everything else. */
static void on_refused(uv_timer_t *timer)
{
    struct fetch *f = timer->data;
    struct error why = f->err;
    explain(f, NULL, why.text);
    end(f);
}

void task_secrets_fetch(struct task *t,
                        void (*then)(struct task *t, int r, const struct error *err))
{
    struct fetch *f = xcalloc(1, sizeof(*f));
    t->fetch = f;
    f->t = t;
    f->then = then;
    uv_timer_init(t->engine->loop, &f->timer);
    f->timer.data = f;
    t->handles++;
    t->jobs++;
    if (collect(f) < 0)
        uv_timer_start(&f->timer, on_refused, 0, 0);
    else
        next(f);
}
