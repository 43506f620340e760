#include "balancer_config.h"

#include <ctype.h>

#include "balancer_attribute.h"
#include "balancer_log_line.h"

bool balancer_is_http(const struct gantry_edge_balancer *b)
{
    return b->load_balancer->type != ELBV2_LOAD_BALANCER_TYPE_ENUM_NETWORK;
}

struct balancer_file *balancer_config_file(struct arena *a, struct balancer_config *c,
                                           enum balancer_file_kind kind, const char *name)
{
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 16;
        struct balancer_file *files = arena_new_array(a, struct balancer_file, capacity);
        if (c->count)
            memcpy(files, c->files, c->count * sizeof(*files));
        c->files = files;
        c->capacity = capacity;
    }
    struct balancer_file *f = &c->files[c->count++];
    *f = (struct balancer_file){.kind = kind, .name = name, .text = ""};
    return f;
}

/* A line break would begin a line of configuration; no name or value may hold one. */
static bool in_line(char c)
{
    return (unsigned char)c >= 0x20 && c != 0x7f;
}

void config_quote(struct str *out, const char *text)
{
    str_addc(out, '\'');
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            str_add(out, "'\\''");
        else if (in_line(*p))
            str_addc(out, *p);
    }
    str_addc(out, '\'');
}

void config_format(struct str *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '%')
            str_add(out, "%%");
        else if (strchr("\"\\$", *p))
            str_addf(out, "\\%c", *p);
        else if (in_line(*p))
            str_addc(out, *p);
    }
}

struct rendering {
    struct arena *a;
    const struct balancer_view *view;
    const struct gantry_edge_balancer *b;
    struct balancer_config *config;
    struct str out;
    uint64_t structure;
    size_t hashed; /* of out */
};

static const char *lb(const struct rendering *r, const char *key, const char *fallback)
{
    return balancer_attribute(&r->b->attributes, key, fallback);
}

static int64_t lb_number(const struct rendering *r, const char *key, int64_t min,
                         int64_t max, int64_t fallback)
{
    return attribute_number(lb(r, key, NULL), min, max, fallback);
}

static void hash_so_far(struct rendering *r)
{
    if (r->out.len > r->hashed)
        r->structure =
            balancer_hash(r->structure, r->out.data + r->hashed, r->out.len - r->hashed);
    r->hashed = r->out.len;
}

/* ---- global and defaults ---- */

/* What a load balancer of AWS says itself. */
static const struct {
    int status;
    const char *reason;
} own_answers[] = {
    {400, "Bad Request"},           {405, "Method Not Allowed"},
    {408, "Request Time-out"},      {413, "Request Entity Too Large"},
    {500, "Internal Server Error"}, {501, "Not Implemented"},
    {502, "Bad Gateway"},           {503, "Service Temporarily Unavailable"},
    {504, "Gateway Time-out"},
};

static void add_own_answers(struct rendering *r)
{
    str_add(&r->out, "http-errors own\n");
    for (size_t i = 0; i < sizeof(own_answers) / sizeof(own_answers[0]); i++) {
        AUTO_STR body = STR_INIT;
        int status = own_answers[i].status;
        const char *reason = own_answers[i].reason;
        str_addf(&body,
                 "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n"
                 "<center><h1>%d %s</h1></center>\r\n</body>\r\n</html>\r\n",
                 status, reason, status, reason);
        struct balancer_file *f = balancer_config_file(
            r->a, r->config, BALANCER_BODY, arena_printf(r->a, "error-%d.http", status));
        f->text =
            arena_printf(r->a,
                         "HTTP/1.1 %d %s\r\nServer: awselb/2.0\r\n"
                         "Content-Type: text/html\r\nContent-Length: %zu\r\n"
                         "%s\r\n%s",
                         status, reason, body.len,
                         status == 400 || status == 408 ? "Connection: close\r\n" : "",
                         str_text(&body));
        str_addf(&r->out, "    errorfile %d %s/%s\n", status, r->view->dir, f->name);
    }
}

static void add_global(struct rendering *r)
{
    const char *dir = r->view->dir;
    str_addf(&r->out,
             "global\n"
             "    maxconn %lld\n"
             "    nbthread %d\n"
             "    hard-stop-after 4h\n"
             "    mworker-max-reloads 25\n"
             "    log stdout len 8192 format raw local0\n"
             "    stats socket %s/s/admin.sock mode 600 level admin\n"
             "    stats timeout 60s\n"
             "    tune.bufsize 32768\n"
             "    tune.ssl.default-dh-param 2048\n",
             (long long)r->view->max_connections, r->view->threads, dir);
}

/* Not longer than what lets a client of a dead target be told within AWS's 10 s, whatever
 * is tried again. */
#define CONNECT_SECONDS 5

static void add_defaults(struct rendering *r)
{
    bool http = balancer_is_http(r->b);
    int64_t idle = lb_number(r, "idle_timeout.timeout_seconds", 1, 4000, 60);
    if (http)
        add_own_answers(r);
    str_addf(&r->out,
             "defaults\n"
             "    mode %s\n"
             "    log global\n"
             "    option dontlognull\n"
             "    option redispatch 1\n"
             "    retries 1\n"
             "    timeout connect %ds\n"
             "    timeout queue 10s\n",
             http ? "http" : "tcp", CONNECT_SECONDS);
    if (!http)
        return;
    str_add(&r->out, "    errorfiles own\n");
    static const char *const waits[] = {"client", "server", "tunnel", "http-request",
                                        "http-keep-alive"};
    for (size_t i = 0; i < 5; i++)
        str_addf(&r->out, "    timeout %s %llds\n", waits[i], (long long)idle);
}

/* ---- frontends ---- */

static void add_forwarded_for(struct rendering *r)
{
    const char *mode = lb(r, "routing.http.xff_header_processing.mode", "append");
    bool port = attribute_true(lb(r, "routing.http.xff_client_port.enabled", "false"));
    const char *peer = port ? "%[src]:%[src_port]" : "%[src]";
    if (streq(mode, "remove"))
        str_add(&r->out, "    http-request del-header X-Forwarded-For\n");
    if (!streq(mode, "append"))
        return;
    str_addf(&r->out,
             "    http-request add-header X-Forwarded-For \"%s\" if "
             "{ req.fhdr_cnt(x-forwarded-for) gt 1 }\n"
             "    http-request set-header X-Forwarded-For "
             "\"%%[req.fhdr(x-forwarded-for)], %s\" if { req.fhdr_cnt(x-forwarded-for) 1 "
             "}\n",
             peer, peer);
    if (port)
        str_addf(&r->out,
                 "    http-request set-header X-Forwarded-For \"%s\" unless "
                 "{ req.fhdr(x-forwarded-for) -m found }\n",
                 peer);
    else
        str_add(&r->out, "    option forwardfor if-none\n");
}

/* Version 1, the time in hexadecimal, 96 bits (Application Load Balancers user guide, "Request
 * tracing"): 64 random ones of the connection, which cost nothing a request, and 32 of a
 * generator that says no number twice in its period. */
#define TRACE_ID                                                                         \
    "1-%[date,hex,lower,bytes(8)]-%[var(sess.id),bytes(0,8)]%[var(sess.id),bytes(28,8)]" \
    "%[rand,hex,lower,bytes(8)]"

static void add_trace_id(struct rendering *r)
{
    str_add(&r->out,
            "    http-request set-header X-Amzn-Trace-Id \"Self=" TRACE_ID
            ";%[req.fhdr(x-amzn-trace-id)]\" if "
            "{ req.fhdr(x-amzn-trace-id) -m sub Root= }\n"
            "    http-request set-header X-Amzn-Trace-Id \"Root=" TRACE_ID
            ";%[req.fhdr(x-amzn-trace-id)]\" if { req.fhdr(x-amzn-trace-id) -m found } "
            "!{ req.fhdr(x-amzn-trace-id) -m sub Root= }\n"
            "    http-request set-header X-Amzn-Trace-Id \"Root=" TRACE_ID
            "\" unless { req.fhdr(x-amzn-trace-id) -m found }\n");
}

/* The port is told behind a port that is no scheme's own, and only there (same guide, "Host
 * header preservation"). */
static void add_host(struct rendering *r, const struct gantry_edge_listener *l)
{
    int port = l->listener->port.v;
    if (attribute_true(lb(r, "routing.http.preserve_host_header.enabled", "false")))
        return;
    if (port == 80 || port == 443)
        str_add(&r->out, "    http-request set-header Host %[req.hdr(host),host_only] if "
                         "{ req.hdr(host) -m sub : }\n");
    else
        str_addf(&r->out,
                 "    http-request set-header Host \"%%[req.hdr(host),host_only]:%d\" "
                 "unless { req.hdr(host) -m sub : }\n",
                 port);
}

static bool is_token(const char *s)
{
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("-_.", *s))
            return false;
    return true;
}

static int add_tls_headers(struct rendering *r, const struct gantry_edge_listener *l,
                           struct error *err)
{
    static const char *const headers[][4] = {
        {"routing.http.request.x_amzn_tls_version.header_name", "X-Amzn-Tls-Version",
         "%[ssl_fc_protocol]"},
        {"routing.http.request.x_amzn_tls_cipher_suite.header_name",
         "X-Amzn-Tls-Cipher-Suite", "%[ssl_fc_cipher]"}};
    if (l->listener->protocol != ELBV2_PROTOCOL_ENUM_HTTPS ||
        !attribute_true(
            lb(r, "routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false")))
        return 0;
    for (size_t i = 0; i < 2; i++) {
        const char *name =
            listener_attribute(&l->attributes, headers[i][0], headers[i][1]);
        if (!is_token(name))
            return fail(err, E_INVALID, "'%s' is no name of a header", name);
        str_addf(&r->out, "    http-request set-header %s %s\n", name, headers[i][2]);
    }
    return 0;
}

/* routing.http.response.<name>.header_value: the header with '-' for '_'. */
static int add_response_headers(struct rendering *r, const struct gantry_edge_listener *l,
                                struct error *err)
{
    static const char prefix[] = "routing.http.response.", end[] = ".header_value";
    for (size_t i = 0; i < l->attributes.n; i++) {
        const char *key = l->attributes.v[i].key, *value = l->attributes.v[i].value;
        if (!key || str_empty(value))
            continue;
        if (streq(key, "routing.http.response.server.enabled") && streq(value, "false"))
            str_add(&r->out, "    http-after-response del-header server if "
                             "{ res.hdr(server) -m str awselb/2.0 }\n");
        if (!str_starts(key, prefix) || !str_ends(key, end))
            continue;
        AUTO_STR name = STR_INIT;
        str_addn(&name, key + strlen(prefix), strlen(key) - strlen(prefix) - strlen(end));
        for (size_t j = 0; j < name.len; j++)
            if (name.data[j] == '_')
                name.data[j] = '-';
        if (!is_token(str_text(&name)))
            return fail(err, E_INVALID, "attribute '%s'", key);
        str_addf(&r->out, "    http-after-response set-header %s \"", str_text(&name));
        config_format(&r->out, value);
        str_add(&r->out, "\"\n");
    }
    return 0;
}

static void add_log(struct rendering *r, const struct gantry_edge_listener *l)
{
    if (!attribute_true(lb(r, "access_logs.s3.enabled", "false"))) {
        str_add(&r->out, "    log-format \"" BALANCER_LOG_HTTP "\"\n");
        return;
    }
    bool tls = l->listener->protocol == ELBV2_PROTOCOL_ENUM_HTTPS;
    str_addf(&r->out,
             "    log-format \"%s\"\n"
             "    http-request set-var(txn.ua) req.fhdr(user-agent)\n"
             "    http-request set-var-fmt(txn.line) \"%%[method] "
             "%s://%%[req.hdr(host),host_only]:%d%%[pathq] HTTP/%%[req.ver]\"\n",
             BALANCER_LOG_HTTP BALANCER_LOG_ACCESS, tls ? "https" : "http",
             l->listener->port.v);
}

static bool asks_host(const struct gantry_edge_listener *l)
{
    for (size_t i = 0; i < l->rules.n; i++)
        for (size_t j = 0; j < l->rules.v[i].conditions.n; j++)
            if (streq(l->rules.v[i].conditions.v[j].field, "host-header"))
                return true;
    return false;
}

static int add_http(struct rendering *r, const struct gantry_edge_listener *l,
                    struct error *err)
{
    int64_t keep = lb_number(r, "client_keep_alive.seconds", 60, 604800, 3600);
    str_add(&r->out, "    tcp-request session set-var(sess.since) date\n"
                     "    tcp-request session set-var(sess.id) uuid\n");
    add_log(r, l);
    str_add(&r->out, "    http-request set-var(txn.t0) date(0,ms)\n"
                     "    http-request deny deny_status 405 if METH_TRACE\n");
    if (streq(lb(r, "routing.http.xff_header_processing.mode", "append"), "append"))
        str_add(&r->out, "    http-request return status 463 if "
                         "{ req.hdr_cnt(x-forwarded-for) gt 30 }\n");
    if (asks_host(l))
        str_add(&r->out, "    http-request set-var(txn.host) "
                         "req.hdr(host),host_only,lower\n");
    int rc = balancer_rules_render(r->a, r->view, l, r->config, &r->out, err);
    if (rc < 0)
        return rc;
    add_forwarded_for(r);
    str_addf(&r->out,
             "    http-request set-header X-Forwarded-Proto %s\n"
             "    http-request set-header X-Forwarded-Port %d\n",
             l->listener->protocol == ELBV2_PROTOCOL_ENUM_HTTPS ? "https" : "http",
             l->listener->port.v);
    add_trace_id(r);
    if (attribute_true(lb(r, "access_logs.s3.enabled", "false")))
        str_add(&r->out,
                "    http-request set-var(txn.trace) req.fhdr(x-amzn-trace-id)\n");
    add_host(r, l);
    if (attribute_true(lb(r, "routing.http.drop_invalid_header_fields.enabled", "false")))
        str_add(&r->out, "    http-request del-header '[^-A-Za-z0-9]' -m reg\n");
    str_addf(&r->out,
             "    http-after-response set-header Connection close if "
             "{ date,sub(sess.since) gt %lld }\n",
             (long long)keep);
    rc = add_tls_headers(r, l, err);
    if (rc == 0)
        rc = add_response_headers(r, l, err);
    balancer_rules_backend(r->a, l, &r->out);
    return rc;
}

static int add_tcp(struct rendering *r, const struct gantry_edge_listener *l,
                   struct error *err)
{
    int64_t idle = attribute_number(
        listener_attribute(&l->attributes, "tcp.idle_timeout.seconds", NULL), 60, 6000,
        350);
    struct elbv2_target_group_tuple *groups = NULL;
    size_t n =
        l->listener->default_actions.n
            ? balancer_action_groups(r->a, &l->listener->default_actions.v[0], &groups)
            : 0;
    char name[BALANCER_NAME_SIZE];
    str_addf(&r->out,
             "    log-format \"%s\"\n"
             "    timeout client %llds\n",
             BALANCER_LOG_TCP, (long long)idle);
    if (n == 0)
        return fail(err, E_INVALID, "a default action that forwards is needed");
    if (n == 1) {
        balancer_backend_name(groups[0].target_group_arn, name);
        str_addf(&r->out, "    default_backend %s\n", name);
        return 0;
    }
    AUTO_STR map = STR_INIT;
    balancer_weight_map(&map, groups, n);
    balancer_frontend_name(l->listener->listener_arn, name);
    struct balancer_file *f = balancer_config_file(
        r->a, r->config, BALANCER_MAP, arena_printf(r->a, "share-%s-0.map", name));
    f->text = arena_strdup(r->a, str_text(&map));
    str_addf(&r->out, "    use_backend %%[rand(1000000),map_int(%s/%s)]\n", r->view->dir,
             f->name);
    return 0;
}

static int add_frontend(struct rendering *r, const struct gantry_edge_listener *l,
                        struct error *err)
{
    char name[BALANCER_NAME_SIZE];
    enum elbv2_protocol_enum p = l->listener->protocol;
    bool http = p == ELBV2_PROTOCOL_ENUM_HTTP || p == ELBV2_PROTOCOL_ENUM_HTTPS;
    bool tcp = p == ELBV2_PROTOCOL_ENUM_TCP || p == ELBV2_PROTOCOL_ENUM_TLS;
    if (balancer_is_http(r->b) ? !http : !tcp)
        return fail(err, E_UNSUPPORTED, "protocol %s",
                    wire_enum_name(&elbv2_protocol_enum_shape, (int)p));
    balancer_frontend_name(l->listener->listener_arn, name);
    str_addf(&r->out, "frontend %s\n    bind 0.0.0.0:%d", name, l->listener->port.v);
    if (p == ELBV2_PROTOCOL_ENUM_HTTPS || p == ELBV2_PROTOCOL_ENUM_TLS) {
        int rc = balancer_tls_render(r->a, r->view, l, r->config, &r->out, err);
        if (rc < 0)
            return rc;
    }
    str_add(&r->out, "\n    error-log-format \"" BALANCER_LOG_ERROR "\"\n");
    return http ? add_http(r, l, err) : add_tcp(r, l, err);
}

/* ---- backends ---- */

static bool is_tls(const struct elbv2_target_group *g)
{
    return g->protocol == ELBV2_PROTOCOL_ENUM_HTTPS ||
           g->protocol == ELBV2_PROTOCOL_ENUM_TLS;
}

static bool is_http2(const struct elbv2_target_group *g)
{
    return streq(g->protocol_version, "HTTP2") || streq(g->protocol_version, "GRPC");
}

bool balancer_servers_belong_in_file(const struct gantry_edge_target_group *g)
{
    return is_http2(g->target_group);
}

/* A server that is added at run time inherits nothing, not even HAProxy's own defaults: without
 * both of these it keeps no idle connection, and every request makes a new one. */
#define KEEP_CONNECTIONS " pool-max-conn -1 pool-purge-delay 5s"

void balancer_server_options(struct str *out, const struct gantry_edge_target_group *g)
{
    const struct elbv2_target_group *t = g->target_group;
    if (is_tls(t))
        str_addf(out, " ssl verify none%s", is_http2(t) ? " alpn h2" : "");
    else if (is_http2(t))
        str_add(out, " proto h2");
    if (attribute_true(
            group_attribute(&g->attributes, "proxy_protocol_v2.enabled", NULL)))
        str_add(out, " send-proxy-v2");
    int64_t slow = attribute_number(
        group_attribute(&g->attributes, "slow_start.duration_seconds", NULL), 30, 900, 0);
    if (slow)
        str_addf(out, " slowstart %llds", (long long)slow);
    str_add(out, KEEP_CONNECTIONS);
}

static bool stickiness(const struct gantry_edge_target_group *g, const char *type)
{
    return attribute_true(group_attribute(&g->attributes, "stickiness.enabled", NULL)) &&
           streq(group_attribute(&g->attributes, "stickiness.type", "lb_cookie"), type);
}

static void add_algorithm(struct rendering *r, const struct gantry_edge_target_group *g)
{
    const char *a =
        group_attribute(&g->attributes, "load_balancing.algorithm.type", "round_robin");
    if (stickiness(g, "source_ip"))
        str_add(&r->out, "    balance source\n    hash-type consistent\n");
    else if (streq(a, "least_outstanding_requests"))
        str_add(&r->out, "    balance leastconn\n");
    else if (streq(a, "weighted_random"))
        str_add(&r->out, "    balance random(1)\n");
    else
        str_add(&r->out, "    balance roundrobin\n");
}

static void add_cookie(struct rendering *r, const char *name, int64_t seconds,
                       const char *end, const char *condition)
{
    str_addf(&r->out,
             "    http-response add-header Set-Cookie \"%s=%%[srv_name]; "
             "Expires=%%[date(%lld),http_date]; Path=/%s\"%s\n",
             name, (long long)seconds, end, condition);
}

/* A server that is gone, or takes no new requests, is not followed: then it is chosen anew,
 * and the reply says so. */
static int add_stickiness(struct rendering *r, const struct gantry_edge_target_group *g,
                          struct error *err)
{
    const struct elbv2_target_group_attribute_list *list = &g->attributes;
    if (stickiness(g, "lb_cookie")) {
        int64_t s = attribute_number(
            group_attribute(list, "stickiness.lb_cookie.duration_seconds", NULL), 1,
            604800, 86400);
        str_add(&r->out,
                "    use-server %[req.cook(AWSALB)] if { req.cook(AWSALB) -m found }\n"
                "    use-server %[req.cook(AWSALBCORS)] if "
                "{ req.cook(AWSALBCORS) -m found }\n");
        add_cookie(r, "AWSALB", s, "", "");
        add_cookie(r, "AWSALBCORS", s, "; SameSite=None", " unless { ssl_fc }");
        add_cookie(r, "AWSALBCORS", s, "; SameSite=None; Secure", " if { ssl_fc }");
    } else if (stickiness(g, "app_cookie")) {
        const char *name = group_attribute(list, "stickiness.app_cookie.cookie_name", "");
        if (*name == '\0' || !is_token(name))
            return fail(err, E_UNSUPPORTED, "stickiness.app_cookie.cookie_name '%s'",
                        name);
        int64_t s = attribute_number(
            group_attribute(list, "stickiness.app_cookie.duration_seconds", NULL), 1,
            604800, 86400);
        str_addf(&r->out,
                 "    use-server %%[req.cook(AWSALBAPP-0)] if "
                 "{ req.cook(AWSALBAPP-0) -m found } { req.cook(%s) -m found }\n"
                 "    acl application_cookie res.cook(%s) -m found\n",
                 name, name);
        add_cookie(r, "AWSALBAPP-0", s, "", " if application_cookie");
    }
    return 0;
}

/* Which versions of HTTP don't go together (Application Load Balancers user guide, "HTTP
 * 464"). */
static void add_version_check(struct rendering *r, const struct elbv2_target_group *g)
{
    if (is_http2(g))
        str_add(&r->out, "    http-request return status 464 unless { req.ver 2.0 }\n");
    if (streq(g->protocol_version, "GRPC"))
        str_add(&r->out, "    http-request return status 464 unless METH_POST\n");
    if (!is_http2(g))
        str_add(&r->out, "    http-request return status 464 if "
                         "{ req.hdr(content-type) -m beg application/grpc }\n");
}

/* HAProxy says 503 when a connection can't be made; a load balancer of AWS has that for
 * groups without targets only. */
static void add_statuses(struct rendering *r)
{
    static const char made_here[] = "!{ var(txn.answered) -m found } { nbsrv gt 0 }";
    str_addf(&r->out,
             "    http-response set-var(txn.answered) bool(true) if { status 503 }\n"
             "    http-after-response allow unless { status 503 }\n"
             "    http-after-response set-status 504 reason \"Gateway Time-out\" if %s "
             "{ date(0,ms),sub(txn.t0) ge %d }\n"
             "    http-after-response set-status 502 reason \"Bad Gateway\" if %s "
             "{ status 503 }\n",
             made_here, CONNECT_SECONDS * 1000, made_here);
}

static int64_t longest_idle(const struct gantry_edge_balancer *b)
{
    int64_t longest = 0;
    for (size_t i = 0; i < b->listeners.n; i++) {
        int64_t s = attribute_number(listener_attribute(&b->listeners.v[i].attributes,
                                                        "tcp.idle_timeout.seconds", NULL),
                                     60, 6000, 350);
        longest = s > longest ? s : longest;
    }
    return longest;
}

static bool is_address(const char *s)
{
    return s && *s && strspn(s, "0123456789.") == strlen(s);
}

static int add_servers(struct rendering *r, const struct balancer_backend *b,
                       struct error *err)
{
    AUTO_STR options = STR_INIT;
    balancer_server_options(&options, b->group);
    str_addf(&r->out, "    default-server%s\n", str_text(&options));
    hash_so_far(r);
    for (size_t i = 0; i < b->server_count; i++) {
        const struct balancer_server *s = &b->servers[i];
        if (!is_address(s->address))
            return fail(err, E_INVALID, "'%s' is no address of a target",
                        s->address ? s->address : "");
        str_addf(&r->out, "    server %s %s:%d%s\n", s->name, s->address, s->port,
                 s->up ? "" : " disabled");
    }
    r->hashed = r->out.len;
    return 0;
}

static int add_backend(struct rendering *r, const struct balancer_backend *b,
                       struct error *err)
{
    char name[BALANCER_NAME_SIZE];
    balancer_backend_name(b->arn, name);
    str_addf(&r->out, "backend %s\n", name);
    if (!b->group)
        return 0;
    const struct elbv2_target_group *g = b->group->target_group;
    if (g->target_type == ELBV2_TARGET_TYPE_ENUM_LAMBDA)
        return fail(err, E_UNSUPPORTED, "target type lambda");
    add_algorithm(r, b->group);
    if (balancer_is_http(r->b)) {
        add_version_check(r, g);
        if (add_stickiness(r, b->group, err) < 0)
            return -(int)err->code;
        add_statuses(r);
    } else {
        str_addf(&r->out, "    timeout server %llds\n", (long long)longest_idle(r->b));
    }
    return add_servers(r, b, err);
}

/* ---- the whole ---- */

size_t balancer_config_groups(struct arena *a, const struct gantry_edge_balancer *b,
                              const char ***ret)
{
    struct string_list list = {0};
    for (size_t i = 0; i < b->listeners.n; i++) {
        const struct gantry_edge_listener *l = &b->listeners.v[i];
        for (size_t j = 0; j <= l->rules.n; j++) {
            const struct elbv2_action_list *actions =
                j < l->rules.n ? &l->rules.v[j].actions : &l->listener->default_actions;
            for (size_t k = 0; k < actions->n; k++) {
                struct elbv2_target_group_tuple *groups;
                size_t n = balancer_action_groups(a, &actions->v[k], &groups);
                for (size_t m = 0; m < n; m++) {
                    size_t x = 0;
                    while (x < list.n && !streq(list.v[x], groups[m].target_group_arn))
                        x++;
                    if (x == list.n)
                        *LIST_PUSH(a, &list) = groups[m].target_group_arn;
                }
            }
        }
    }
    *ret = list.v;
    return list.n;
}

static int render_all(struct rendering *r, struct error *err)
{
    add_global(r);
    add_defaults(r);
    for (size_t i = 0; i < r->b->listeners.n; i++)
        if (add_frontend(r, &r->b->listeners.v[i], err) < 0)
            return wrap(err, "listener on port %d",
                        r->b->listeners.v[i].listener->port.v);
    for (size_t i = 0; i < r->view->backend_count; i++)
        if (add_backend(r, &r->view->backends[i], err) < 0)
            return wrap(err, "target group '%s'", r->view->backends[i].arn);
    hash_so_far(r);
    return 0;
}

/* Bodies are read with the configuration; of a list only its first line can't be exchanged. */
static void hash_files(struct rendering *r)
{
    for (size_t i = 1; i < r->config->count; i++) {
        const struct balancer_file *f = &r->config->files[i];
        size_t n = f->kind == BALANCER_BODY   ? strlen(f->text)
                   : f->kind == BALANCER_LIST ? strcspn(f->text, "\n")
                                              : 0;
        r->structure = balancer_hash(r->structure, f->text, n);
    }
}

int balancer_config_render(struct arena *a, const struct balancer_view *view,
                           struct balancer_config *ret, struct error *err)
{
    struct rendering r = {.a = a,
                          .view = view,
                          .b = view->balancer,
                          .config = ret,
                          .structure = BALANCER_HASH_SEED};
    *ret = (struct balancer_config){0};
    balancer_config_file(a, ret, BALANCER_CONFIG, "haproxy.cfg");
    int rc = render_all(&r, err);
    hash_files(&r);
    ret->files[0].text = arena_strdup(a, str_text(&r.out));
    ret->structure = r.structure;
    str_free(&r.out);
    return rc;
}
