/* Rules of a listener as http-request lines: conditions first, in order of priority, then
 * actions, each guarded by the priority that was found (0: the default). */
#include <ctype.h>
#include <stdlib.h>

#include "balancer_attribute.h"
#include "balancer_config.h"

#define SHARES 1000000 /* a map divides 0…SHARES-1 */

/* ---- patterns ---- */

struct wildcard {
    const char *one, *many; /* what '?' and '*' become */
    bool escapes;           /* a '\' before them takes their meaning away */
};
static const struct wildcard in_text = {.one = ".", .many = ".*"};
static const struct wildcard in_query = {"[^&]", "[^&]*", .escapes = true};

static void regex_literal(struct str *out, char c)
{
    if (isalnum((unsigned char)c) || c == '_' || c == '-')
        str_addc(out, c);
    else
        str_addf(out, "\\x%02x", (unsigned char)c);
}

static void regex_of(struct str *out, const char *pattern, const struct wildcard *w)
{
    for (const char *p = pattern; *p; p++) {
        if (w->escapes && *p == '\\' && p[1] && strchr("*?\\", p[1]))
            regex_literal(out, *++p);
        else if (*p == '*')
            str_add(out, w->many);
        else if (*p == '?')
            str_add(out, w->one);
        else
            regex_literal(out, *p);
    }
}

static void acl_pattern(struct str *out, const char *name, const char *fetch,
                        const char *value, bool ignore_case)
{
    str_addf(out, "    acl %s %s -m ", name, fetch);
    if (!strpbrk(value, "*?")) {
        str_addf(out, "str %s-- ", ignore_case ? "-i " : "");
        config_quote(out, value);
    } else {
        str_addf(out, "reg %s-- '^", ignore_case ? "-i " : "");
        regex_of(out, value, &in_text);
        str_add(out, "$'");
    }
    str_addc(out, '\n');
}

static void acl_patterns(struct str *out, const char *name, const char *fetch,
                         const struct string_list *values,
                         const struct string_list *regexes, bool ignore_case)
{
    for (size_t i = 0; i < values->n; i++)
        acl_pattern(out, name, fetch, values->v[i], ignore_case);
    for (size_t i = 0; i < regexes->n; i++) {
        str_addf(out, "    acl %s %s -m reg %s-- ", name, fetch,
                 ignore_case ? "-i " : "");
        config_quote(out, regexes->v[i]);
        str_addc(out, '\n');
    }
}

/* ---- conditions: each adds lines of one acl, whose values are alternatives ---- */

#define CONFIG_VALUES(condition, member)                                                 \
    ((condition)->member && (condition)->member->values.n ? &(condition)->member->values \
                                                          : &(condition)->values)
#define CONFIG_REGEXES(condition, member)                                                \
    ((condition)->member && (condition)->member->regex_values.n                          \
         ? &(condition)->member->regex_values                                            \
         : &(condition)->regex_values)

static void host_condition(struct str *out, const char *name,
                           const struct elbv2_rule_condition *c)
{
    acl_patterns(out, name, "var(txn.host)", CONFIG_VALUES(c, host_header_config),
                 CONFIG_REGEXES(c, host_header_config), true);
}

static void path_condition(struct str *out, const char *name,
                           const struct elbv2_rule_condition *c)
{
    acl_patterns(out, name, "path", CONFIG_VALUES(c, path_pattern_config),
                 CONFIG_REGEXES(c, path_pattern_config), false);
}

static int header_condition(struct str *out, const char *name,
                            const struct elbv2_rule_condition *c, struct error *err)
{
    const struct elbv2_http_header_condition_config *h = c->http_header_config;
    if (!h || str_empty(h->http_header_name))
        return fail(err, E_INVALID, "a http-header condition names no header");
    AUTO_STR fetch = STR_INIT;
    str_add(&fetch, "req.fhdr(");
    for (const char *p = h->http_header_name; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("!#$%&*+-.^_`|~", *p))
            return fail(err, E_INVALID, "'%s' is no name of a header",
                        h->http_header_name);
        if (strchr("#$", *p)) /* would begin a comment or a variable */
            return fail(err, E_UNSUPPORTED, "header '%s' in a condition",
                        h->http_header_name);
        str_addc(&fetch, *p);
    }
    str_addc(&fetch, ')');
    acl_patterns(out, name, str_text(&fetch), &h->values, &h->regex_values, true);
    return 0;
}

static void method_condition(struct str *out, const char *name,
                             const struct elbv2_rule_condition *c)
{
    const struct string_list *v = CONFIG_VALUES(c, http_request_method_config);
    for (size_t i = 0; i < v->n; i++) {
        str_addf(out, "    acl %s method -m str -- ", name);
        config_quote(out, v->v[i]);
        str_addc(out, '\n');
    }
}

/* Values are compared decoded; a key or value never reaches over an '&'. */
static void query_condition(struct str *out, const char *name,
                            const struct elbv2_rule_condition *c)
{
    if (!c->query_string_config)
        return;
    for (size_t i = 0; i < c->query_string_config->values.n; i++) {
        const struct elbv2_query_string_key_value_pair *p =
            &c->query_string_config->values.v[i];
        str_addf(out, "    acl %s query,url_dec -m reg -i -- '(^|&)", name);
        if (str_empty(p->key)) {
            str_add(out, "([^&=]*=)?");
        } else {
            regex_of(out, p->key, &in_query);
            str_addc(out, '=');
        }
        regex_of(out, p->value ? p->value : "", &in_query);
        str_add(out, "(&|$)'\n");
    }
}

static int source_condition(struct str *out, const char *name,
                            const struct elbv2_rule_condition *c, struct error *err)
{
    const struct string_list *v = CONFIG_VALUES(c, source_ip_config);
    for (size_t i = 0; i < v->n; i++) {
        if (strspn(v->v[i], "0123456789abcdefABCDEF.:/") != strlen(v->v[i]))
            return fail(err, E_INVALID, "'%s' is no range of addresses", v->v[i]);
        str_addf(out, "    acl %s src %s\n", name, v->v[i]);
    }
    return 0;
}

static int condition_render(struct str *out, const char *name,
                            const struct elbv2_rule_condition *c, struct error *err)
{
    size_t before = out->len;
    int r = 0;
    if (streq(c->field, "host-header"))
        host_condition(out, name, c);
    else if (streq(c->field, "path-pattern"))
        path_condition(out, name, c);
    else if (streq(c->field, "http-header"))
        r = header_condition(out, name, c, err);
    else if (streq(c->field, "http-request-method"))
        method_condition(out, name, c);
    else if (streq(c->field, "query-string"))
        query_condition(out, name, c);
    else if (streq(c->field, "source-ip"))
        r = source_condition(out, name, c, err);
    else
        return fail(err, E_UNSUPPORTED, "condition field '%s'", c->field ? c->field : "");
    if (r == 0 && out->len == before) /* one without values matches nothing */
        str_addf(out, "    acl %s always_false\n", name);
    return r;
}

/* ---- actions ---- */

size_t balancer_action_groups(struct arena *a, const struct elbv2_action *action,
                              struct elbv2_target_group_tuple **ret)
{
    *ret = NULL;
    if (action->type != ELBV2_ACTION_TYPE_ENUM_FORWARD)
        return 0;
    const struct elbv2_forward_action_config *f = action->forward_config;
    if (f && f->target_groups.n) {
        *ret = f->target_groups.v;
        return f->target_groups.n;
    }
    if (str_empty(action->target_group_arn))
        return 0;
    *ret = arena_new(a, struct elbv2_target_group_tuple);
    **ret = (struct elbv2_target_group_tuple){
        .target_group_arn = action->target_group_arn, .weight = SET_INT(1)};
    return 1;
}

static int64_t weight_of(const struct elbv2_target_group_tuple *t)
{
    return t->weight.set ? t->weight.v : 1;
}

void balancer_weight_map(struct str *out, const struct elbv2_target_group_tuple *groups,
                         size_t count)
{
    int64_t sum = 0, before = 0;
    for (size_t i = 0; i < count; i++)
        sum += weight_of(&groups[i]);
    for (size_t i = 0; i < count; i++) {
        int64_t weight = weight_of(&groups[i]);
        char name[BALANCER_NAME_SIZE];
        if (weight <= 0)
            continue;
        balancer_backend_name(groups[i].target_group_arn, name);
        str_addf(out, "%lld:%lld %s\n", (long long)(before * SHARES / sum),
                 (long long)((before + weight) * SHARES / sum - 1), name);
        before += weight;
    }
}

struct rules {
    struct arena *a;
    const struct balancer_view *view;
    const struct gantry_edge_listener *l;
    struct balancer_config *config;
    struct str *out;
    char frontend[BALANCER_NAME_SIZE];
};

static void guard(struct rules *r, int priority)
{
    str_addf(r->out, " if { var(txn.rule) -m int %d }", priority);
}

/* A rule's map as a file of the configuration. */
static const char *add_map(struct rules *r, const char *what, int priority,
                           const char *text)
{
    struct balancer_file *f = balancer_config_file(
        r->a, r->config, BALANCER_MAP,
        arena_printf(r->a, "%s-%s-%d.map", what, r->frontend, priority));
    f->text = arena_strdup(r->a, text);
    return f->name;
}

static void sticky_lines(struct rules *r, int priority,
                         const struct elbv2_target_group_tuple *groups, size_t count)
{
    AUTO_STR map = STR_INIT;
    char name[BALANCER_NAME_SIZE];
    for (size_t i = 0; i < count; i++) {
        balancer_backend_name(groups[i].target_group_arn, name);
        if (weight_of(&groups[i]) > 0)
            str_addf(&map, "%s %s\n", name, name);
    }
    const char *file = add_map(r, "sticky", priority, str_text(&map));
    str_addf(r->out, "    http-request set-var(txn.tg) req.cook(AWSALBTG),map_str(%s/%s)",
             r->view->dir, file);
    guard(r, priority);
    str_add(r->out, "\n    http-request set-var(txn.stick) bool(true)");
    guard(r, priority);
    str_add(r->out, " !{ var(txn.tg) -m found }\n");
}

static void sticky_cookies(struct rules *r, int priority, int64_t seconds)
{
    const char *const ends[] = {"AWSALBTG", "", "AWSALBTGCORS",
                                "; SameSite=None; Secure"};
    for (size_t i = 0; i < 4; i += 2) {
        str_addf(r->out,
                 "    http-response add-header Set-Cookie \"%s=%%[var(txn.tg)]; "
                 "Expires=%%[date(%lld),http_date]; Path=/%s\"",
                 ends[i], (long long)seconds, ends[i + 1]);
        guard(r, priority);
        str_add(r->out, " { var(txn.stick) -m bool }\n");
    }
}

static int forward_render(struct rules *r, int priority,
                          const struct elbv2_action *action, struct error *err)
{
    struct elbv2_target_group_tuple *groups;
    size_t count = balancer_action_groups(r->a, action, &groups);
    char name[BALANCER_NAME_SIZE];
    if (count == 0)
        return fail(err, E_INVALID, "a forward action names no target group");
    if (count == 1) {
        balancer_backend_name(groups[0].target_group_arn, name);
        str_addf(r->out, "    http-request set-var(txn.tg) str(%s)", name);
        guard(r, priority);
        str_addc(r->out, '\n');
        return 0;
    }
    const struct elbv2_target_group_stickiness_config *s =
        action->forward_config->target_group_stickiness_config;
    if (s && s->enabled.v) {
        sticky_lines(r, priority, groups, count);
        sticky_cookies(r, priority,
                       s->duration_seconds.set ? s->duration_seconds.v : 3600);
    }
    AUTO_STR map = STR_INIT;
    balancer_weight_map(&map, groups, count);
    const char *file = add_map(r, "share", priority, str_text(&map));
    str_addf(r->out, "    http-request set-var(txn.tg) rand(%d),map_int(%s/%s)", SHARES,
             r->view->dir, file);
    guard(r, priority);
    str_add(r->out, " !{ var(txn.tg) -m found }\n");
    return 0;
}

/* Text with #{…} as a log-format in weak quotes. */
static void template_format(struct rules *r, struct str *out, const char *text)
{
    bool tls = r->l->listener->protocol == ELBV2_PROTOCOL_ENUM_HTTPS;
    AUTO_STR port = STR_INIT;
    str_addf(&port, "%d", r->l->listener->port.v);
    const struct {
        const char *name, *format;
    } places[] = {{"#{protocol}", tls ? "https" : "http"},
                  {"#{host}", "%[req.hdr(host),host_only]"},
                  {"#{port}", str_text(&port)},
                  {"#{path}", "%[path,bytes(1)]"},
                  {"#{query}", "%[query]"}};
    AUTO_STR piece = STR_INIT;
    while (*text) {
        size_t i = 0;
        while (i < 5 && !str_starts(text, places[i].name))
            i++;
        if (i < 5) {
            str_add(out, places[i].format);
            text += strlen(places[i].name);
        } else {
            str_clear(&piece);
            str_addc(&piece, *text++);
            config_format(out, str_text(&piece));
        }
    }
}

static const char *text_or(const char *text, const char *fallback)
{
    return text ? text : fallback;
}

/* As AWS words it: "https://host:443/path?query", the port always said. */
static void redirect_line(struct rules *r, int priority,
                          const struct elbv2_redirect_action_config *c, bool with_query)
{
    const char *protocol = text_or(c->protocol, "#{protocol}");
    AUTO_STR location = STR_INIT, lower = STR_INIT;
    for (const char *p = protocol; *p; p++)
        str_addc(&lower, (char)tolower((unsigned char)*p));
    template_format(r, &location, str_text(&lower));
    str_add(&location, "://");
    template_format(r, &location, text_or(c->host, "#{host}"));
    str_addc(&location, ':');
    template_format(r, &location, text_or(c->port, "#{port}"));
    template_format(r, &location, text_or(c->path, "/#{path}"));
    if (with_query) {
        str_addc(&location, '?');
        template_format(r, &location, text_or(c->query, "#{query}"));
    }
    bool moved = c->status_code == ELBV2_REDIRECT_ACTION_STATUS_CODE_ENUM_HTTP_301;
    str_addf(r->out, "    http-request redirect location \"%s\" code %d",
             str_text(&location), moved ? 301 : 302);
    guard(r, priority);
}

static void redirect_render(struct rules *r, int priority,
                            const struct elbv2_redirect_action_config *c)
{
    const char *query = text_or(c->query, "#{query}");
    redirect_line(r, priority, c, *query != '\0');
    if (*query && streq(query, "#{query}")) {
        str_add(r->out, " { query -m found }\n");
        redirect_line(r, priority, c, false);
    }
    str_addc(r->out, '\n');
}

static int fixed_render(struct rules *r, int priority,
                        const struct elbv2_fixed_response_action_config *c,
                        struct error *err)
{
    int64_t status;
    if (!str_to_i64(c->status_code, 200, 599, &status))
        return fail(err, E_INVALID, "'%s' is no status of a fixed response",
                    c->status_code ? c->status_code : "");
    str_addf(r->out, "    http-request return status %d", (int)status);
    if (!str_empty(c->message_body)) {
        struct balancer_file *f = balancer_config_file(
            r->a, r->config, BALANCER_BODY,
            arena_printf(r->a, "fixed-%s-%d.body", r->frontend, priority));
        f->text = c->message_body;
        str_add(r->out, " content-type ");
        config_quote(r->out, str_empty(c->content_type) ? "text/plain" : c->content_type);
        str_addf(r->out, " file %s/%s", r->view->dir, f->name);
    }
    str_add(r->out, " hdr Server awselb/2.0");
    guard(r, priority);
    str_addc(r->out, '\n');
    return 0;
}

static int action_render(struct rules *r, int priority,
                         const struct elbv2_action_list *actions, struct error *err)
{
    for (size_t i = 0; i < actions->n; i++) {
        const struct elbv2_action *a = &actions->v[i];
        if (a->type == ELBV2_ACTION_TYPE_ENUM_FORWARD)
            return forward_render(r, priority, a, err);
        if (a->type == ELBV2_ACTION_TYPE_ENUM_REDIRECT && a->redirect_config) {
            redirect_render(r, priority, a->redirect_config);
            return 0;
        }
        if (a->type == ELBV2_ACTION_TYPE_ENUM_FIXED_RESPONSE && a->fixed_response_config)
            return fixed_render(r, priority, a->fixed_response_config, err);
        return fail(
            err, E_UNSUPPORTED, "action type %s",
            text_or(wire_enum_name(&elbv2_action_type_enum_shape, (int)a->type), "?"));
    }
    return fail(err, E_INVALID, "no action");
}

/* ---- all rules ---- */

static int priority_of(const struct elbv2_rule *rule)
{
    int64_t v;
    return str_to_i64(rule->priority, 1, 50000, &v) ? (int)v : 0;
}

static int by_priority(const void *a, const void *b)
{
    return priority_of(*(const struct elbv2_rule *const *)a) -
           priority_of(*(const struct elbv2_rule *const *)b);
}

static size_t sorted_rules(struct arena *a, const struct elbv2_rule_list *list,
                           const struct elbv2_rule ***ret)
{
    size_t n = 0;
    *ret = arena_new_array(a, const struct elbv2_rule *, list->n + 1);
    for (size_t i = 0; i < list->n; i++)
        if (priority_of(&list->v[i]) > 0)
            (*ret)[n++] = &list->v[i];
    qsort(*ret, n, sizeof(**ret), by_priority);
    return n;
}

static int choose_render(struct rules *r, const struct elbv2_rule *rule,
                         struct error *err)
{
    int priority = priority_of(rule);
    AUTO_STR names = STR_INIT;
    if (rule->transforms.n)
        return fail(err, E_UNSUPPORTED, "rule %d: transforms", priority);
    for (size_t i = 0; i < rule->conditions.n; i++) {
        AUTO_STR name = STR_INIT;
        str_addf(&name, "r%d_%zu", priority, i);
        if (condition_render(r->out, str_text(&name), &rule->conditions.v[i], err) < 0)
            return wrap(err, "rule %d", priority);
        str_addf(&names, " %s", str_text(&name));
    }
    str_addf(r->out, "    http-request set-var(txn.rule) int(%d) if !ruled%s\n", priority,
             str_text(&names));
    return 0;
}

/* The one group that everything goes to: then nothing has to be found out for a request. */
static const char *only_group(struct arena *a, const struct gantry_edge_listener *l)
{
    const struct elbv2_action_list *actions = &l->listener->default_actions;
    struct elbv2_target_group_tuple *groups;
    for (size_t i = 0; i < l->rules.n; i++)
        if (priority_of(&l->rules.v[i]) > 0)
            return NULL;
    if (actions->n == 0 || balancer_action_groups(a, &actions->v[0], &groups) != 1)
        return NULL;
    return groups[0].target_group_arn;
}

void balancer_rules_backend(struct arena *a, const struct gantry_edge_listener *l,
                            struct str *out)
{
    char name[BALANCER_NAME_SIZE];
    const char *only = only_group(a, l);
    if (only) {
        balancer_backend_name(only, name);
        str_addf(out, "    default_backend %s\n", name);
    } else {
        str_add(out, "    use_backend %[var(txn.tg)] if { var(txn.tg) -m found }\n");
    }
}

int balancer_rules_render(struct arena *a, const struct balancer_view *view,
                          const struct gantry_edge_listener *l,
                          struct balancer_config *config, struct str *out,
                          struct error *err)
{
    struct rules r = {.a = a, .view = view, .l = l, .config = config, .out = out};
    const struct elbv2_rule **rules;
    size_t n = sorted_rules(a, &l->rules, &rules);
    balancer_frontend_name(l->listener->listener_arn, r.frontend);
    if (only_group(a, l)) {
        if (attribute_true(balancer_attribute(&view->balancer->attributes,
                                              "access_logs.s3.enabled", "false")))
            str_add(out, "    http-request set-var(txn.rule) int(0)\n");
        return 0;
    }
    str_add(out, "    acl ruled var(txn.rule) -m found\n");
    for (size_t i = 0; i < n; i++)
        if (choose_render(&r, rules[i], err) < 0)
            return -(int)err->code;
    str_add(out, "    http-request set-var(txn.rule) int(0) if !ruled\n");
    for (size_t i = 0; i < n; i++)
        if (action_render(&r, priority_of(rules[i]), &rules[i]->actions, err) < 0)
            return wrap(err, "rule %d", priority_of(rules[i]));
    if (action_render(&r, 0, &l->listener->default_actions, err) < 0)
        return wrap(err, "default action");
    return 0;
}
