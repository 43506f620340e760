/* What can be changed while HAProxy runs. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "balancer.h"
#include "balancer_attribute.h"

void balancer_runtime_forget(struct balancer *b)
{
    struct balancer_running_server *s, *next;
    HASH_ITER (hh, b->running, s, next) {
        HASH_DEL(b->running, s);
        free(s);
    }
}

static struct balancer_running_server *
add_running(struct balancer *b, const char *backend, const char *name, bool up)
{
    struct balancer_running_server *s = xcalloc(1, sizeof(*s));
    snprintf(s->name, sizeof(s->name), "%s", name);
    snprintf(s->backend, sizeof(s->backend), "%s", backend);
    s->up = up;
    HASH_ADD_STR(b->running, name, s);
    return s;
}

/* be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state … */
int balancer_runtime_read(struct balancer *b, struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = balancer_process_command(&b->process, "show servers state", &text, err);
    if (r < 0)
        return r;
    balancer_runtime_forget(b);
    for (const char *line = str_text(&text); line && *line;) {
        char backend[BALANCER_NAME_SIZE], name[BALANCER_NAME_SIZE];
        int admin;
        if (sscanf(line, "%*d %47s %*d %47s %*s %*d %d", backend, name, &admin) == 3) {
            struct balancer_running_server *s;
            HASH_FIND_STR(b->running, name, s);
            /* Forced or configured maintenance, without its being taken back. */
            if (!s)
                add_running(b, backend, name, (admin & 1) == 0);
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return 0;
}

/* ---- servers ---- */

struct batch {
    struct balancer *b;
    struct str commands;
    bool refused;
    char complaint[256];
};

static bool is_good(const char *reply, size_t len)
{
    return len == 0 || strncmp(reply, "New server registered", 21) == 0 ||
           strncmp(reply, "Server deleted", 14) == 0 ||
           strncmp(reply, "New version created", 19) == 0;
}

/* Any line that is neither empty nor a success is a refusal. */
static void judge(struct batch *x, const char *text)
{
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (!is_good(line, len)) {
            x->refused = true;
            snprintf(x->complaint, sizeof(x->complaint), "%.*s", (int)len, line);
        }
        line += len + (line[len] == '\n');
    }
}

static int send_batch(struct batch *x, struct error *err)
{
    AUTO_STR reply = STR_INIT;
    if (x->commands.len == 0)
        return 0;
    int r = balancer_process_command(&x->b->process, str_text(&x->commands), &reply, err);
    str_clear(&x->commands);
    if (r == 0)
        judge(x, str_text(&reply));
    return r;
}

static int add_command(struct batch *x, const char *text, struct error *err)
{
    int r = 0;
    if (x->commands.len + strlen(text) + 1 > BALANCER_COMMANDS_MAX)
        r = send_batch(x, err);
    if (x->commands.len)
        str_addc(&x->commands, ';');
    str_add(&x->commands, text);
    return r;
}

static int set_up(struct batch *x, struct balancer_running_server *s, bool up,
                  struct error *err)
{
    AUTO_STR c = STR_INIT;
    str_addf(&c, "set server %s/%s state %s", s->backend, s->name,
             up ? "ready" : "maint");
    s->up = up;
    return add_command(x, str_text(&c), err);
}

static int add_server(struct batch *x, const struct balancer_group *g,
                      const char *backend, const struct balancer_target *t,
                      struct error *err)
{
    AUTO_STR c = STR_INIT;
    str_addf(&c, "add server %s/%s %s:%d", backend, t->server, t->address, t->port);
    balancer_server_options(&c, g->group);
    if (t->up)
        str_addf(&c, ";enable server %s/%s", backend, t->server);
    struct balancer_running_server *s = add_running(x->b, backend, t->server, t->up);
    s->wanted = true;
    s->belongs_in_file = balancer_servers_belong_in_file(g->group);
    return add_command(x, str_text(&c), err);
}

static bool terminates_unhealthy(const struct balancer *b, const struct balancer_group *g)
{
    return !balancer_is_http(b->b) &&
           !streq(group_attribute(&g->group->attributes,
                                  "target_health_state.unhealthy.connection_termination."
                                  "enabled",
                                  "true"),
                  "false");
}

static int end_sessions(struct batch *x, const struct balancer_running_server *s,
                        struct error *err)
{
    AUTO_STR c = STR_INIT;
    str_addf(&c, "shutdown sessions server %s/%s", s->backend, s->name);
    balancer_process_end_in_old_workers(&x->b->process, s->name);
    return add_command(x, str_text(&c), err);
}

static int sync_target(struct batch *x, const struct balancer_group *g,
                       const char *backend, const struct balancer_target *t,
                       struct error *err)
{
    struct balancer_running_server *s;
    HASH_FIND_STR(x->b->running, t->server, s);
    if (!s)
        return add_server(x, g, backend, t, err);
    s->wanted = true;
    s->going = false;
    if (s->up == t->up)
        return 0;
    int r = set_up(x, s, t->up, err);
    if (r == 0 && !t->up && !t->draining && t->health.state == TARGET_UNHEALTHY &&
        terminates_unhealthy(x->b, g))
        r = end_sessions(x, s, err);
    return r;
}

static bool keeps_connections(const struct balancer *b, struct balancer_group *groups,
                              const struct balancer_running_server *s)
{
    if (balancer_is_http(b->b))
        return false;
    for (struct balancer_group *g = groups; g; g = g->hh.next) {
        char name[BALANCER_NAME_SIZE];
        balancer_backend_name(g->arn, name);
        if (streq(name, s->backend) && g->group)
            return !attribute_true(group_attribute(
                &g->group->attributes,
                "deregistration_delay.connection_termination.enabled", NULL));
    }
    return false;
}

static int close_server(struct batch *x, struct balancer_group *groups,
                        struct balancer_running_server *s, struct error *err)
{
    int r = s->up ? set_up(x, s, false, err) : 0;
    if (r == 0 && !s->going && !keeps_connections(x->b, groups, s))
        r = end_sessions(x, s, err);
    s->going = true;
    return r;
}

static bool delete_server(struct balancer *b, const struct balancer_running_server *s,
                          const char *before, struct error *err)
{
    AUTO_STR c = STR_INIT, reply = STR_INIT;
    str_addf(&c, "%sdel server %s/%s", before, s->backend, s->name);
    return balancer_process_command(&b->process, str_text(&c), &reply, err) == 0 &&
           (strstr(str_text(&reply), "Server deleted") ||
            strstr(str_text(&reply), "No such"));
}

/* A connection whose request ended during maintenance is idle now and would be kept for some
 * 20 s. HAProxy closes those when maintenance begins, so it begins again; in between nobody new
 * is sent there. */
static bool delete_idle_server(struct balancer *b,
                               const struct balancer_running_server *s, struct error *err)
{
    AUTO_STR before = STR_INIT;
    str_addf(&before, "set server %s/%s state drain;set server %s/%s state maint;",
             s->backend, s->name, s->backend, s->name);
    return balancer_is_http(b->b) && delete_server(b, s, str_text(&before), err);
}

/* One after the other, for each may be refused. */
static bool delete_servers(struct balancer *b, struct error *err)
{
    struct balancer_running_server *s, *next;
    bool left = false;
    HASH_ITER (hh, b->running, s, next) {
        if (!s->going)
            continue;
        if (delete_server(b, s, "", err) || delete_idle_server(b, s, err)) {
            assert(b->running);
            HASH_DEL(b->running, s);
            free(s);
        } else {
            left = true;
        }
    }
    return left;
}

static int sync_group(struct batch *x, struct balancer_group *g, struct error *err)
{
    char backend[BALANCER_NAME_SIZE];
    balancer_backend_name(g->arn, backend);
    int r = 0;
    /* Who comes before who goes, so that there is always one. */
    for (int pass = 0; pass < 2; pass++)
        for (struct balancer_target *t = g->targets; r == 0 && t; t = t->hh.next)
            if (t->up == (pass == 0))
                r = sync_target(x, g, backend, t, err);
    return r;
}

int balancer_runtime_servers(struct balancer *b, struct balancer_group *groups,
                             struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct batch x = {.b = b};
    struct balancer_running_server *s, *next;
    const char **arns;
    size_t n = balancer_config_groups(&a, b->b, &arns);
    int r = 0;
    HASH_ITER (hh, b->running, s, next)
        s->wanted = false;
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct balancer_group *g;
        HASH_FIND_STR(groups, arns[i], g);
        if (g && g->group)
            r = sync_group(&x, g, err);
    }
    HASH_ITER (hh, b->running, s, next)
        if (r == 0 && !s->wanted)
            r = close_server(&x, groups, s, err);
    if (r == 0)
        r = send_batch(&x, err);
    str_free(&x.commands);
    if (r < 0)
        return r;
    if (x.refused)
        return fail(err, E_CONFLICT, "HAProxy refuses a command: %s", x.complaint);
    return delete_servers(b, err) ? fail(err, E_AGAIN, "servers still have connections")
                                  : 0;
}

void balancer_runtime_reset(struct balancer *b, struct balancer_group *groups)
{
    AUTO_ARENA a = ARENA_INIT;
    const char **arns;
    size_t n = balancer_config_groups(&a, b->b, &arns);
    balancer_runtime_forget(b);
    for (size_t i = 0; i < n; i++) {
        char backend[BALANCER_NAME_SIZE];
        struct balancer_group *g;
        HASH_FIND_STR(groups, arns[i], g);
        balancer_backend_name(arns[i], backend);
        for (struct balancer_target *t = g ? g->targets : NULL; t; t = t->hh.next)
            add_running(b, backend, t->server, t->up);
    }
}

bool balancer_runtime_wants_file(const struct balancer *b)
{
    for (const struct balancer_running_server *s = b->running; s; s = s->hh.next)
        if (s->belongs_in_file && s->up && !s->going)
            return true;
    return false;
}

/* ---- maps ---- */

static int map_version(struct balancer *b, const char *path, int *ret, struct error *err)
{
    AUTO_STR c = STR_INIT, reply = STR_INIT;
    str_addf(&c, "prepare map %s", path);
    int r = balancer_process_command(&b->process, str_text(&c), &reply, err);
    if (r == 0 && sscanf(str_text(&reply), " New version created: %d", ret) != 1)
        r = fail(err, E_CONFLICT, "HAProxy refuses a map: %s", str_text(&reply));
    return r;
}

int balancer_runtime_map(struct balancer *b, const struct balancer_file *f,
                         struct error *err)
{
    AUTO_STR path = STR_INIT;
    struct batch x = {.b = b};
    int version = 0, r;
    str_addf(&path, "%s/%s", b->dir, f->name);
    r = map_version(b, str_text(&path), &version, err);
    for (const char *line = f->text; r == 0 && *line;) {
        AUTO_STR c = STR_INIT;
        size_t len = strcspn(line, "\n");
        str_addf(&c, "add map @%d %s %.*s", version, str_text(&path), (int)len, line);
        r = add_command(&x, str_text(&c), err);
        line += len + (line[len] == '\n');
    }
    str_clear(&path);
    str_addf(&path, "commit map @%d %s/%s", version, b->dir, f->name);
    if (r == 0)
        r = add_command(&x, str_text(&path), err);
    if (r == 0)
        r = send_batch(&x, err);
    str_free(&x.commands);
    return r == 0 && x.refused
               ? fail(err, E_CONFLICT, "HAProxy refuses a map: %s", x.complaint)
               : r;
}

/* ---- certificates ---- */

static bool has_line(const char *text, const char *line, size_t len)
{
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        if (strcspn(text, "\n") == len && strncmp(text, line, len) == 0)
            return true;
    return false;
}

static int tell(struct balancer *b, const char *command, const char *good,
                struct error *err)
{
    AUTO_STR reply = STR_INIT;
    int r = balancer_process_command(&b->process, command, &reply, err);
    if (r == 0 && !strstr(str_text(&reply), good))
        r = fail(err, E_CONFLICT, "HAProxy refuses a certificate: %s", str_text(&reply));
    return r;
}

static const char *pem_of(const struct balancer *b, const struct balancer_config *config,
                          const char *path)
{
    const char *name = path + strlen(b->dir) + 1;
    for (size_t i = 0; i < config->count; i++)
        if (streq(config->files[i].name, name))
            return config->files[i].text;
    return NULL;
}

static int add_certificate(struct balancer *b, const struct balancer_config *config,
                           const char *list, const char *path, struct error *err)
{
    AUTO_STR c = STR_INIT, reply = STR_INIT;
    const char *pem = pem_of(b, config, path);
    if (!pem)
        return fail(err, E_NOTFOUND, "'%s'", path);
    str_addf(&c, "new ssl cert %s", path);
    /* In use by another listener already: that is refused, and no matter. */
    int r = balancer_process_command(&b->process, str_text(&c), &reply, err);
    if (r == 0 && strstr(str_text(&reply), "New empty certificate store")) {
        str_clear(&c);
        str_addf(&c, "set ssl cert %s <<\n", path);
        for (const char *p = pem; *p; p += strcspn(p, "\n"), p += *p == '\n')
            if (*p != '\n' && *p != '\r')
                str_addf(&c, "%.*s\n", (int)strcspn(p, "\n"), p);
        r = tell(b, str_text(&c), "Transaction created", err);
        str_clear(&c);
        str_addf(&c, "commit ssl cert %s", path);
        if (r == 0)
            r = tell(b, str_text(&c), "Success", err);
    }
    str_clear(&c);
    str_addf(&c, "add ssl crt-list %s %s", list, path);
    return r < 0 ? r : tell(b, str_text(&c), "Success", err);
}

int balancer_runtime_list(struct balancer *b, const struct balancer_config *config,
                          const struct balancer_file *f, const char *before,
                          struct error *err)
{
    AUTO_STR list = STR_INIT;
    int r = 0;
    str_addf(&list, "%s/%s", b->dir, f->name);
    for (const char *line = f->text; r == 0 && *line;) {
        AUTO_STR path = STR_INIT;
        size_t len = strcspn(line, "\n");
        str_addn(&path, line, len);
        if (!has_line(before, line, len))
            r = add_certificate(b, config, str_text(&list), str_text(&path), err);
        line += len + (line[len] == '\n');
    }
    for (const char *line = before; r == 0 && *line;) {
        AUTO_STR c = STR_INIT;
        size_t len = strcspn(line, "\n");
        str_addf(&c, "del ssl crt-list %s %.*s", str_text(&list), (int)len, line);
        if (!has_line(f->text, line, len))
            r = tell(b, str_text(&c), "deleted", err);
        line += len + (line[len] == '\n');
    }
    return r;
}
