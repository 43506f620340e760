/* Load balancers as HAProxy's configuration: what must be in the text, that HAProxy takes it
 * (where it is installed), and which changes need a reload. Objects are written as JSON, as
 * the server sends them. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "balancer_config.h"
#include "balancer_log_line.h"
#include "fd.h"
#include "str.h"

#define GROUP "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/g/"

struct world {
    struct arena arena;
    struct gantry_edge_message *m;
    struct balancer_config config;
    char dir[64];
};

/* JSON in single quotes, for the reader's sake. */
static char *json_of(struct arena *a, const char *text)
{
    char *copy = arena_strdup(a, text);
    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    return copy;
}

static int render(struct world *w, const char *listeners, const char *attributes,
                  const char *groups, struct error *err)
{
    struct wire_error bad;
    void *m = NULL;
    bool tcp = strstr(listeners, "'TCP'") || strstr(listeners, "'TLS'");
    char *text = arena_printf(
        &w->arena,
        "{\"balancer\":{\"loadBalancer\":{\"LoadBalancerArn\":\"arn:aws:e:r:1:"
        "loadbalancer/app/web/00112233\",\"Type\":\"%s\"},\"attributes\":[%s],"
        "\"listeners\":[%s]},\"targetGroups\":[%s]}",
        tcp ? "network" : "application", json_of(&w->arena, attributes),
        json_of(&w->arena, listeners), json_of(&w->arena, groups));
    if (wire_json_decode(&w->arena, &gantry_edge_message_shape, text, strlen(text), true,
                         &m, &bad) < 0)
        fail_msg("%s in %s", bad.text, text);
    w->m = m;
    const char **arns;
    size_t n = balancer_config_groups(&w->arena, w->m->balancer, &arns);
    struct balancer_backend *backends =
        arena_new_array(&w->arena, struct balancer_backend, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct balancer_backend *b = &backends[i];
        b->arn = arns[i];
        for (size_t j = 0; j < w->m->target_groups.n; j++) {
            struct gantry_edge_target_group *g = &w->m->target_groups.v[j];
            if (!streq(g->target_group->target_group_arn, arns[i]))
                continue;
            struct balancer_server *servers =
                arena_new_array(&w->arena, struct balancer_server, g->targets.n + 1);
            b->group = g;
            b->servers = servers;
            b->server_count = g->targets.n;
            for (size_t k = 0; k < g->targets.n; k++) {
                servers[k] = (struct balancer_server){.address = g->targets.v[k].address,
                                                      .port = g->targets.v[k].port.v,
                                                      .up = !g->targets.v[k].draining.v};
                balancer_server_name(arns[i], g->targets.v[k].id, servers[k].address,
                                     servers[k].port, servers[k].name);
            }
        }
    }
    struct balancer_view view = {.balancer = w->m->balancer,
                                 .backends = backends,
                                 .backend_count = n,
                                 .dir = w->dir,
                                 .threads = 1,
                                 .max_connections = 1000};
    return balancer_config_render(&w->arena, &view, &w->config, err);
}

static int begin(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    snprintf(w->dir, sizeof(w->dir), "/tmp/balancer-config-XXXXXX");
    *state = w;
    return mkdtemp(w->dir) ? 0 : -1;
}

static int end(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    dir_remove_all(w->dir, &err);
    arena_free(&w->arena);
    free(w);
    return 0;
}

static const char *text_of(struct world *w)
{
    return w->config.files[0].text;
}

static void must_have(struct world *w, const char *line)
{
    if (!strstr(text_of(w), line))
        fail_msg("'%s' is not in\n%s", line, text_of(w));
}

static void haproxy_takes_it(struct world *w)
{
    if (access("/usr/sbin/haproxy", X_OK) < 0)
        return;
    struct error err = ERROR_INIT;
    char path[512], command[600];
    for (size_t i = 0; i < w->config.count; i++) {
        const struct balancer_file *f = &w->config.files[i];
        snprintf(path, sizeof(path), "%s/%s", w->dir, f->name);
        assert_int_equal(file_replace(path, f->text, strlen(f->text), 0600, 0, &err), 0);
    }
    snprintf(command, sizeof(command), "/usr/sbin/haproxy -c -q -f %s/haproxy.cfg",
             w->dir);
    if (system(command) != 0)
        fail_msg("haproxy does not take\n%s", text_of(w));
}

#define TARGETS                                                                          \
    "{'targetGroup':{'TargetGroupArn':'" GROUP "a','Protocol':'HTTP'%s},"                \
    "'attributes':[%s],'targets':[{'id':'i-1','port':80,'address':'10.0.0.1'},"          \
    "{'id':'i-2','port':80,'address':'10.0.0.2','draining':true}]},"                     \
    "{'targetGroup':{'TargetGroupArn':'" GROUP "b','Protocol':'HTTP'},'targets':[]}"

#define FORWARD_A "{'Type':'forward','TargetGroupArn':'" GROUP "a'}"
#define LISTENER(rest)                                                                   \
    "{'listener':{'ListenerArn':'arn:x:listener/app/web/1/l1','Port':80,"                \
    "'Protocol':'HTTP','DefaultActions':[" FORWARD_A "]}" rest "}"
#define RULE(conditions, actions)                                                        \
    LISTENER(",'rules':[{'Priority':'7','Conditions':[" conditions                       \
             "],'Actions':[" actions "]}]")

static char *groups_with(struct world *w, const char *more, const char *attributes)
{
    return arena_printf(&w->arena, TARGETS, more, attributes);
}

static void conditions_become_acls(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *condition, *line;
    } rows[] = {
        {"{'Field':'host-header','Values':['a.b.com','*.x.com']}",
         "acl r7_0 var(txn.host) -m str -i -- 'a.b.com'\n    acl r7_0 var(txn.host) -m "
         "reg "
         "-i -- '^.*\\x2ex\\x2ecom$'"},
        {"{'Field':'path-pattern','PathPatternConfig':{'Values':['/img/*','/?']}}",
         "acl r7_0 path -m reg -- '^\\x2fimg\\x2f.*$'\n    acl r7_0 path -m reg -- "
         "'^\\x2f.$'"},
        {"{'Field':'path-pattern','RegexValues':['^/(a|b)$']}",
         "acl r7_0 path -m reg -- '^/(a|b)$'"},
        {"{'Field':'http-header','HttpHeaderConfig':{'HttpHeaderName':'X-Y','Values':["
         "'it\\u0027s #1']}}",
         "acl r7_0 req.fhdr(X-Y) -m str -i -- 'it'\\''s #1'"},
        {"{'Field':'http-request-method','HttpRequestMethodConfig':{'Values':['GET']}}",
         "acl r7_0 method -m str -- 'GET'"},
        {"{'Field':'query-string','QueryStringConfig':{'Values':[{'Key':'k','Value':'v*'}"
         ","
         "{'Value':'a\\\\*b'}]}}",
         "acl r7_0 query,url_dec -m reg -i -- '(^|&)k=v[^&]*(&|$)'\n    acl r7_0 "
         "query,url_dec -m reg -i -- '(^|&)([^&=]*=)?a\\x2ab(&|$)'"},
        {"{'Field':'source-ip','SourceIpConfig':{'Values':['10.0.0.0/8','::1/128']}}",
         "acl r7_0 src 10.0.0.0/8\n    acl r7_0 src ::1/128"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = ERROR_INIT;
        AUTO_STR l = STR_INIT;
        str_addf(&l,
                 LISTENER(",'rules':[{'Priority':'7','Conditions':[%s],'Actions':["
                          "{'Type':'fixed-response','FixedResponseConfig':"
                          "{'StatusCode':'418','MessageBody':'\\u0022tea'}}]}]"),
                 rows[i].condition);
        if (render(w, str_text(&l), "", groups_with(w, "", ""), &err) < 0)
            fail_msg("%s", err.text);
        must_have(w, rows[i].line);
        must_have(w, "set-var(txn.rule) int(7) if !ruled r7_0\n");
        haproxy_takes_it(w);
    }
}

static void actions_are_guarded_by_their_rule(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    const char *listener =
        RULE("{'Field':'path-pattern','Values':['/old']}",
             "{'Type':'redirect','RedirectConfig':{'Protocol':'HTTPS','Port':'443',"
             "'Path':'/50%/#{path}','StatusCode':'HTTP_301'}}");
    assert_int_equal(render(w, listener, "", groups_with(w, "", ""), &err), 0);
    must_have(
        w, "http-request redirect location \"https://%[req.hdr(host),host_only]:443"
           "/50%%/%[path,bytes(1)]?%[query]\" code 301 if { var(txn.rule) -m int 7 } { "
           "query -m found }");
    must_have(w, "http-request set-var(txn.tg) str(tg-a) if { var(txn.rule) -m int 0 }");
    haproxy_takes_it(w);
}

static void shares_lie_in_maps_and_change_without_a_reload(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
#define SHARED(a, b)                                                                     \
    RULE("{'Field':'path-pattern','Values':['/x']}",                                     \
         "{'Type':'forward','ForwardConfig':{'TargetGroups':[{'TargetGroupArn':'" GROUP  \
         "a','Weight':" a "},{'TargetGroupArn':'" GROUP "b','Weight':" b "}],"           \
         "'TargetGroupStickinessConfig':{'Enabled':true,'DurationSeconds':60}}}")
    assert_int_equal(render(w, SHARED("4", "1"), "", groups_with(w, "", ""), &err), 0);
    haproxy_takes_it(w);
    uint64_t before = w->config.structure;
    bool found = false;
    for (size_t i = 0; i < w->config.count; i++)
        if (streq(w->config.files[i].name, "share-l-l1-7.map")) {
            found = true;
            assert_string_equal(w->config.files[i].text,
                                "0:799999 tg-a\n800000:999999 tg-b\n");
        }
    assert_true(found);
    assert_int_equal(render(w, SHARED("0", "9"), "", groups_with(w, "", ""), &err), 0);
    assert_true(before == w->config.structure);
}

/* Nothing is asked of a request where there is nothing to choose. */
static void a_listener_without_rules_goes_straight_to_its_group(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(render(w, LISTENER(""), "", groups_with(w, "", ""), &err), 0);
    must_have(w, "    default_backend tg-a\n");
    assert_null(strstr(text_of(w), "txn.rule"));
    assert_null(strstr(text_of(w), "txn.host"));
    assert_int_equal(render(w, LISTENER(""),
                            "{'Key':'access_logs.s3.enabled','Value':'true'}",
                            groups_with(w, "", ""), &err),
                     0);
    must_have(w, "http-request set-var(txn.rule) int(0)\n");
    haproxy_takes_it(w);
}

/* A server that is added at run time has none of HAProxy's defaults. */
static void servers_are_told_to_keep_connections(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    AUTO_STR options = STR_INIT;
    assert_int_equal(render(w, LISTENER(""), "", groups_with(w, "", ""), &err), 0);
    balancer_server_options(&options, &w->m->target_groups.v[0]);
    assert_string_equal(str_text(&options), " pool-max-conn -1 pool-purge-delay 5s");
    must_have(w, "default-server pool-max-conn -1 pool-purge-delay 5s\n");
}

static void targets_and_their_state_are_no_structure(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(render(w, LISTENER(""), "", groups_with(w, "", ""), &err), 0);
    must_have(w, " 10.0.0.1:80\n");
    must_have(w, " 10.0.0.2:80 disabled\n");
    uint64_t before = w->config.structure;
    char *groups = groups_with(w, "", "");
    *strstr(groups, "10.0.0.2") = '9'; /* 90.0.0.2 */
    assert_int_equal(render(w, LISTENER(""), "", groups, &err), 0);
    assert_true(before == w->config.structure);
    assert_int_equal(render(w, LISTENER(""),
                            "{'Key':'idle_timeout.timeout_seconds',"
                            "'Value':'9'}",
                            groups, &err),
                     0);
    must_have(w, "timeout client 9s");
    assert_true(before != w->config.structure);
}

static void attributes_of_groups(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *attribute, *more, *line;
    } rows[] = {
        {"{'Key':'load_balancing.algorithm.type','Value':'least_outstanding_requests'}",
         "", "balance leastconn"},
        {"{'Key':'load_balancing.algorithm.type','Value':'weighted_random'}", "",
         "balance random(1)"},
        {"{'Key':'stickiness.enabled','Value':'true'}", "",
         "use-server %[req.cook(AWSALB)]"},
        {"{'Key':'stickiness.enabled','Value':'true'},{'Key':'stickiness.type','Value':"
         "'app_cookie'},{'Key':'stickiness.app_cookie.cookie_name','Value':'sid'}",
         "", "acl application_cookie res.cook(sid) -m found"},
        {"{'Key':'slow_start.duration_seconds','Value':'30'}", "",
         "default-server slowstart 30s"},
        {"", ",'ProtocolVersion':'HTTP2'", "default-server proto h2"},
        {"", ",'ProtocolVersion':'GRPC'", "return status 464 unless METH_POST"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(render(w, LISTENER(""), "",
                                groups_with(w, rows[i].more, rows[i].attribute), &err),
                         0);
        must_have(w, rows[i].line);
        haproxy_takes_it(w);
    }
}

static void attributes_of_balancers(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *attribute, *line;
    } rows[] = {
        {"{'Key':'routing.http.xff_client_port.enabled','Value':'true'}",
         "%[src]:%[src_port]"},
        {"{'Key':'routing.http.xff_header_processing.mode','Value':'remove'}",
         "del-header X-Forwarded-For"},
        {"{'Key':'routing.http.drop_invalid_header_fields.enabled','Value':'true'}",
         "del-header '[^-A-Za-z0-9]' -m reg"},
        {"{'Key':'access_logs.s3.enabled','Value':'true'}", BALANCER_LOG_ACCESS},
        {"{'Key':'client_keep_alive.seconds','Value':'77'}", "sub(sess.since) gt 77"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(
            render(w, LISTENER(""), rows[i].attribute, groups_with(w, "", ""), &err), 0);
        must_have(w, rows[i].line);
        haproxy_takes_it(w);
    }
}

static void network_balancers(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    const char *listener = "{'listener':{'ListenerArn':'arn:x:listener/net/w/1/"
                           "l1','Port':53,'Protocol':'TCP',"
                           "'DefaultActions':[" FORWARD_A
                           "]},'attributes':[{'Key':'tcp.idle_timeout.seconds',"
                           "'Value':'61'}]}";
    assert_int_equal(
        render(w, listener, "",
               groups_with(w, "",
                           "{'Key':'proxy_protocol_v2.enabled','Value':'true'},"
                           "{'Key':'stickiness.enabled','Value':'true'},{'Key':"
                           "'stickiness.type','Value':'source_ip'}"),
               &err),
        0);
    must_have(w, "timeout client 61s");
    must_have(w, "timeout server 61s");
    must_have(w, "default-server send-proxy-v2");
    must_have(w, "balance source\n    hash-type consistent");
    haproxy_takes_it(w);
}

static void what_cannot_be_is_refused(void **state)
{
    struct world *w = *state;
    static const char *const listeners[] = {
        RULE("{'Field':'path-pattern','Values':['/x']}", "{'Type':'authenticate-oidc'}"),
        RULE("{'Field':'moon-phase','Values':['full']}", FORWARD_A),
        RULE(
            "{'Field':'http-header','HttpHeaderConfig':{'HttpHeaderName':'a b','Values':["
            "'x']}}",
            FORWARD_A),
        "{'listener':{'ListenerArn':'l/"
        "1','Port':53,'Protocol':'UDP','DefaultActions':[" FORWARD_A "]}}",
        "{'listener':{'ListenerArn':'l/"
        "1','Port':443,'Protocol':'HTTPS','DefaultActions':[" FORWARD_A "]}}",
    };
    for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++) {
        struct error err = ERROR_INIT;
        assert_true(render(w, listeners[i], "", groups_with(w, "", ""), &err) < 0);
        assert_non_null(strstr(err.text, "listener on port"));
    }
}

static void text_of_users_stays_in_its_quotes(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    const char *listener =
        RULE("{'Field':'path-pattern','Values':['/a\\u0027 b\\nbackend evil']}",
             "{'Type':'redirect','RedirectConfig':{'Host':'x\\u0022 y$HOME%[src]\\n',"
             "'StatusCode':'HTTP_302'}}");
    assert_int_equal(render(w, listener, "", groups_with(w, "", ""), &err), 0);
    must_have(w, "-- '/a'\\'' bbackend evil'");
    must_have(w, "x\\\" y\\$HOME%%[src]");
    assert_null(strstr(text_of(w), "\nbackend evil"));
    haproxy_takes_it(w);
}

static void log_lines(void **state)
{
    struct balancer_log_line l;
    char plain[] = "H l-1 tg-1 t1 200 12 1 300 +4000 --";
    assert_true(balancer_log_read(plain, &l));
    assert_true(l.has_server && !l.access);
    assert_int_equal(l.status, 200);
    assert_int_equal(l.response_ms, 12);
    assert_int_equal(l.bytes_out, 4000);
    char own[] = "H l-1 tg-1 <NOSRV> 503 -1 -1 80 200 SC";
    assert_true(balancer_log_read(own, &l));
    assert_false(l.has_server);
    char left[] = "H l-1 tg-1 t1 400 -1 1 80 0 CH";
    assert_true(balancer_log_read(left, &l));
    assert_int_equal(balancer_log_status(&l), 460);
    char full[] =
        "H l-1 tg-1 t1 200 12 1 300 400 -- 1.2.3.4:5 6.7.8.9:80 1700000000 7 0 0 13 "
        "7 TLS_AES TLSv1.3 \"GET https://h:443/\\\"x HTTP/1.1\" \"a b\" \"Root=1\" "
        "\"-\"";
    assert_true(balancer_log_read(full, &l));
    assert_true(l.access);
    assert_string_equal(l.request, "GET https://h:443/\"x HTTP/1.1");
    assert_string_equal(l.user_agent, "a b");
    assert_string_equal(l.domain, "-");
    assert_int_equal(l.at_ms, 1700000000007);
    static const char *const bad[] = {"", "X", "H", "H a b c", "H  ", "\"", "E", "T l b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[64];
        snprintf(line, sizeof(line), "%s", bad[i]);
        assert_false(balancer_log_read(line, &l));
    }
}

int main(void)
{
#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_WORLD(conditions_become_acls),
        WITH_WORLD(actions_are_guarded_by_their_rule),
        WITH_WORLD(shares_lie_in_maps_and_change_without_a_reload),
        WITH_WORLD(a_listener_without_rules_goes_straight_to_its_group),
        WITH_WORLD(servers_are_told_to_keep_connections),
        WITH_WORLD(targets_and_their_state_are_no_structure),
        WITH_WORLD(attributes_of_groups),
        WITH_WORLD(attributes_of_balancers),
        WITH_WORLD(network_balancers),
        WITH_WORLD(what_cannot_be_is_refused),
        WITH_WORLD(text_of_users_stays_in_its_quotes),
        cmocka_unit_test(log_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
