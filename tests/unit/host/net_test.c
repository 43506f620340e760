/* Containers on a bridge, in a network namespace that plays the instance, with a second
 * one that plays the world outside of it (10.9.9.1 and 10.9.9.2). */
#include "inmates.h"

#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>

#include "host_ports.h"
#include "link.h"
#include "net.h"
#include "netns.h"
#include "nft.h"

#define ARGS(...) ((const char *const[]){"/inmate", __VA_ARGS__, NULL})

static struct net *net;
static struct net_config net_config;
static char outside[200];
static char forward_before[64], reserved_before[4096];

static uint32_t ip(const char *text)
{
    uint32_t a;
    assert_int_equal(inet_pton(AF_INET, text, &a), 1);
    return a;
}

static void read_sysctl(const char *path, char *ret, size_t size)
{
    AUTO_STR text = STR_INIT;
    CHECK(file_read(AT_FDCWD, path, 65536, &text, &check));
    snprintf(ret, size, "%s", str_text(&text));
}

static int setup(void **state)
{
    if (world_setup(state) < 0 || geteuid() != 0)
        return 0;
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    snprintf(outside, sizeof(outside), "%s/outside", world.dir);
    CHECK(netns_create(outside, &check));
    struct link_socket here, there;
    int lo;
    CHECK(link_open(&here, &check));
    CHECK(link_index(&here, "lo", &lo, &check));
    CHECK(link_set_up(&here, lo, true, &check));
    int fd = open(outside, O_RDONLY | O_CLOEXEC);
    CHECK(link_add_veth(&here, "uplink", NULL, "eth0", fd, NULL, 0, &check));
    close(fd);
    CHECK(link_configure(&here, "uplink", ip("10.9.9.1"), 24, 0, &check));
    CHECK(link_open_in(outside, &there, &check));
    CHECK(link_configure(&there, "eth0", ip("10.9.9.2"), 24, 0, &check));
    link_close(&here);
    link_close(&there);
    read_sysctl("/proc/sys/net/ipv4/ip_forward", forward_before, sizeof(forward_before));
    read_sysctl("/proc/sys/net/ipv4/ip_local_reserved_ports", reserved_before,
                sizeof(reserved_before));
    net_config = (struct net_config){.run_dir = world.dir, .run = world.run};
    CHECK(net_open(&net_config, &net, &check));
    return 0;
}

static void count_links(void *arg, const char *name, int index)
{
    (void)index;
    if (!streq(name, "lo") && !streq(name, "uplink") && strncmp(name, "gt", 2) &&
        strncmp(name, "gv", 2))
        return;
    (*(int *)arg)++;
}

static int teardown(void **state)
{
    if (geteuid() != 0)
        return 0;
    net_free(net);
    CHECK(runtime_each(world.runtime, world_remove_one, NULL, &check));
    CHECK(net_purge(&net_config, &check));
    CHECK(net_purge(&net_config, &check)); /* again: nothing to do */
    char after[4096];
    read_sysctl("/proc/sys/net/ipv4/ip_forward", after, sizeof(after));
    assert_string_equal(after, forward_before);
    read_sysctl("/proc/sys/net/ipv4/ip_local_reserved_ports", after, sizeof(after));
    assert_string_equal(after, reserved_before);
    struct link_socket s;
    int links = 0;
    CHECK(link_open(&s, &check));
    CHECK(link_each(&s, count_links, &links, &check));
    link_close(&s);
    assert_int_equal(links, 2);
    AUTO_STR rules = STR_INIT;
    const char *args[] = {"ruleset", NULL};
    CHECK(nft_list(args, &rules, &check));
    assert_null(strstr(rules.data, world.run));
    assert_null(strstr(rules.data, "gantry"));
    CHECK(netns_delete(outside, &check));
    return world_teardown(state);
}

/* Runs the inmate as a plain process where this thread is, or outside. */
static void call_from(const char *netns, const char *host, uint16_t port, struct str *out)
{
    char text[8];
    snprintf(text, sizeof(text), "%u", port);
    const char *argv[] = {inmate_program, "call", host, text, NULL};
    int back = -1, status;
    if (netns)
        CHECK(netns_enter(netns, &back, &check));
    str_clear(out);
    CHECK(spawn_run(inmate_program, argv, NULL, out, NULL, 10000, &status, &check));
    if (netns)
        netns_leave(&back);
}

static void start_server(struct inmate *m, const char *id, struct net_port *ports,
                         size_t count, struct net_attachment *at)
{
    inmate_init(m, id, ARGS("serve", "80"));
    CHECK(net_attach(net, id, NET_BRIDGE, ports, count, at, &check));
    m->spec.net = SPEC_NS_PATH;
    m->spec.net_path = at->netns_path;
    inmate_run(m);
    inmate_says(m, "ready");
}

static void stop_server(struct inmate *m)
{
    char id[64];
    snprintf(id, sizeof(id), "%s", m->create.id);
    inmate_remove(m);
    CHECK(net_detach(net, id, &check));
    CHECK(net_detach(net, id, &check));
}

/* Calls from inside of a container; its output lands in its log. */
static void call_from_inside(const char *id, const char *host, uint16_t port,
                             const char *expected)
{
    struct inmate m;
    struct net_attachment at;
    char text[8];
    snprintf(text, sizeof(text), "%u", port);
    inmate_init(&m, id, ARGS("call", host, text));
    CHECK(net_attach(net, id, NET_BRIDGE, NULL, 0, &at, &check));
    m.spec.net = SPEC_NS_PATH;
    m.spec.net_path = at.netns_path;
    inmate_run(&m);
    assert_int_equal(inmate_wait(id).exit.code, 0);
    inmate_says(&m, expected ? expected : at.address);
    stop_server(&m);
}

static void test_published_ports(void **state)
{
    NEED_ROOT();
    struct inmate m;
    struct net_attachment at;
    struct net_port ports[] = {{.container_port = 80},
                               {.container_port = 80, .host_port = 8080}};
    AUTO_STR out = STR_INIT;
    start_server(&m, "web", ports, 2, &at);
    assert_in_range(ports[0].host_port, HOST_PORT_LOW, HOST_PORT_HIGH);
    assert_int_equal(ports[1].host_port, 8080);

    call_from(NULL, "127.0.0.1", ports[0].host_port, &out);
    assert_string_equal(str_text(&out), "10.88.0.1\n"); /* loopback is masqueraded */
    call_from(NULL, "10.9.9.1", 8080, &out);
    assert_true(out.len > 0);
    call_from(NULL, at.address, 80, &out);
    assert_true(out.len > 0);
    call_from(outside, "10.9.9.1", ports[0].host_port, &out);
    assert_string_equal(str_text(&out), "10.9.9.2\n"); /* from outside it is kept */
    call_from(outside, "10.9.9.1", 8080, &out);
    assert_string_equal(str_text(&out), "10.9.9.2\n");

    call_from_inside("peer", at.address, 80, NULL);
    call_from_inside("hairpin", "10.9.9.1", 8080, "10.88.0.1");
    int code;
    struct exec_request req = {.args = ARGS("call", "10.9.9.1", "8080"),
                               .fds = {-1, -1, -1}};
    struct exec_process p;
    CHECK(runtime_exec(world.runtime, "web", &req, &p, &check));
    /* The server answers one at a time, but it and its caller are two processes. */
    CHECK(exec_wait(&p, 10000, &code, &check));
    assert_int_equal(code, 0);

    struct net_stats stats;
    CHECK(net_container_stats(net, "web", &stats, &check));
    assert_true(stats.rx_packets > 0 && stats.tx_bytes > 0);
    uint16_t gone = ports[0].host_port;
    stop_server(&m);
    call_from(NULL, "127.0.0.1", gone, &out);
    assert_null(strstr(str_text(&out), "10."));
}

static void test_way_out(void **state)
{
    NEED_ROOT();
    struct inmate server;
    inmate_init(&server, "world", ARGS("serve", "81"));
    server.spec.net = SPEC_NS_PATH;
    server.spec.net_path = outside;
    inmate_run(&server);
    inmate_says(&server, "ready");
    call_from_inside("caller", "10.9.9.2", 81, "10.9.9.1"); /* masqueraded */
    inmate_remove(&server);
}

static void test_forward_policy_of_others(void **state)
{
    NEED_ROOT();
    struct inmate m;
    struct net_attachment at;
    struct net_port port = {.container_port = 80};
    AUTO_STR out = STR_INIT;
    start_server(&m, "blocked", &port, 1, &at);
    CHECK(
        nft_load("table ip filter { chain FORWARD { type filter hook forward priority 0; "
                 "policy drop; }; }",
                 &check));
    call_from(outside, "10.9.9.1", port.host_port, &out);
    assert_null(strstr(str_text(&out), "10."));
    CHECK(net_mend(net, &check));
    CHECK(net_mend(net, &check));
    call_from(outside, "10.9.9.1", port.host_port, &out);
    assert_string_equal(str_text(&out), "10.9.9.2\n");
    /* Somebody flushed our rules: they come back with their elements. */
    char flush[100];
    snprintf(flush, sizeof(flush), "flush ruleset");
    CHECK(nft_load(flush, &check));
    call_from(outside, "10.9.9.1", port.host_port, &out);
    assert_null(strstr(str_text(&out), "10."));
    CHECK(net_mend(net, &check));
    call_from(outside, "10.9.9.1", port.host_port, &out);
    assert_string_equal(str_text(&out), "10.9.9.2\n");
    CHECK(
        nft_load("table ip filter { chain FORWARD { type filter hook forward priority 0; "
                 "policy drop; }; }",
                 &check));
    CHECK(net_mend(net, &check)); /* teardown sees that nothing of it stays */
    stop_server(&m);
}

static void test_attach_again_and_conflicts(void **state)
{
    NEED_ROOT();
    struct net_attachment a, b;
    struct error err;
    struct net_port ports[] = {{.container_port = 80},
                               {.container_port = 53, .udp = true}};
    struct net_port again[] = {{.container_port = 80},
                               {.container_port = 53, .udp = true}};
    CHECK(net_attach(net, "one", NET_BRIDGE, ports, 2, &a, &check));
    CHECK(net_attach(net, "one", NET_BRIDGE, again, 2, &b, &check));
    assert_string_equal(a.address, b.address);
    assert_int_equal(ports[0].host_port, again[0].host_port);
    assert_int_equal(ports[1].host_port, again[1].host_port);

    /* An attach that was killed before the container's end was up is completed. */
    struct link_socket inside;
    int end;
    CHECK(link_open_in(a.netns_path, &inside, &check));
    CHECK(link_index(&inside, "eth0", &end, &check));
    CHECK(link_set_up(&inside, end, false, &check)); /* and its route is gone */
    CHECK(net_attach(net, "one", NET_BRIDGE, again, 2, &b, &check));
    CHECK(link_delete_route(&inside, 0, 0, end, &check));
    link_close(&inside);

    struct net_port taken = {.container_port = 80, .host_port = ports[0].host_port};
    char text[64];
    snprintf(text, sizeof(text), "0.0.0.0:%u failed: port is already allocated",
             taken.host_port);
    assert_int_equal(net_attach(net, "two", NET_BRIDGE, &taken, 1, &b, &err),
                     -E_CONFLICT);
    assert_non_null(strstr(err.text, text));
    taken.udp = true; /* another protocol is another port */
    CHECK(net_attach(net, "two", NET_BRIDGE, &taken, 1, &b, &check));
    assert_string_not_equal(a.address, b.address);
    CHECK(net_detach(net, "two", &check));

    /* Somebody else listens. */
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(7777)};
    assert_int_equal(bind(s, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(s, 1), 0);
    struct net_port busy = {.container_port = 80, .host_port = 7777};
    assert_int_equal(net_attach(net, "two", NET_BRIDGE, &busy, 1, &b, &err), -E_CONFLICT);
    close(s);
    CHECK(net_attach(net, "two", NET_BRIDGE, &busy, 1, &b, &check));
    CHECK(net_detach(net, "two", &check));
    CHECK(net_detach(net, "one", &check));

    /* A run of its own beside ours never gets the same port or subnet. */
    struct net *other;
    char dir[200], run[60];
    snprintf(dir, sizeof(dir), "%s/other", world.dir);
    snprintf(run, sizeof(run), "%s-b", world.run);
    struct net_config config = {.run_dir = dir, .run = run};
    CHECK(net_open(&config, &other, &check));
    assert_string_not_equal(net_subnet(net), net_subnet(other));
    struct net_port mine = {.container_port = 1}, theirs = {.container_port = 1};
    CHECK(net_attach(net, "one", NET_BRIDGE, &mine, 1, &a, &check));
    theirs.host_port = mine.host_port;
    assert_int_equal(net_attach(other, "x", NET_BRIDGE, &theirs, 1, &b, &err),
                     -E_CONFLICT);
    net_free(other);
    CHECK(net_purge(&config, &check));
    CHECK(net_detach(net, "one", &check));
    read_sysctl("/proc/sys/net/ipv4/ip_forward", text, sizeof(text));
    assert_string_equal(text, "1\n"); /* still ours */
}

static void test_no_network(void **state)
{
    NEED_ROOT();
    struct inmate m;
    struct net_attachment at;
    inmate_init(&m, "none", ARGS("show", "/proc/net/dev"));
    CHECK(net_attach(net, "none", NET_NONE, NULL, 0, &at, &check));
    m.spec.net = SPEC_NS_PATH;
    m.spec.net_path = at.netns_path;
    inmate_run(&m);
    assert_int_equal(inmate_wait("none").exit.code, 0);
    inmate_says(&m, "lo:");
    AUTO_STR log = STR_INIT;
    CHECK(file_read(AT_FDCWD, m.log.data, 65536, &log, &check));
    assert_null(strstr(log.data, "eth0"));
    stop_server(&m);
}

/* A new process finds what an old one made. */
static void test_reopened(void **state)
{
    NEED_ROOT();
    struct net_attachment a, b;
    struct net_port port = {.container_port = 80}, other = {.container_port = 81};
    char subnet[32];
    CHECK(net_attach(net, "kept", NET_BRIDGE, &port, 1, &a, &check));
    snprintf(subnet, sizeof(subnet), "%s", net_subnet(net));
    net_free(net);
    CHECK(net_open(&net_config, &net, &check));
    assert_string_equal(subnet, net_subnet(net));
    CHECK(net_attach(net, "new", NET_BRIDGE, &other, 1, &b, &check));
    assert_string_not_equal(a.address, b.address);
    assert_int_not_equal(port.host_port, other.host_port);
    CHECK(net_detach(net, "kept", &check));
    CHECK(net_detach(net, "new", &check));
}

/* ---- 169.254.170.2 ---- */

static int listen_at_gateway(uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = ip(net_gateway(net))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

/* Does a call of that address, from where this thread is, arrive at the listener? */
static bool call_arrives(int listener)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(80),
                             .sin_addr.s_addr = ip(NET_LOCAL_ADDRESS)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = connect(fd, (struct sockaddr *)&in, sizeof(in));
    int got = r == 0 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    close(fd);
    if (got >= 0)
        close(got);
    return got >= 0;
}

static void test_local_address(void **state)
{
    NEED_ROOT();
    struct net_config other_config = {.run_dir = world.dir, .run = "other-run"};
    char dir[300];
    snprintf(dir, sizeof(dir), "%s/other", world.dir);
    other_config.run_dir = dir;
    assert_true(net_local_claim(net));
    int one = listen_at_gateway(NET_LOCAL_PORT), two = listen_at_gateway(5555);
    CHECK(net_local_http(net, NET_LOCAL_PORT, &check));
    assert_true(call_arrives(one));
    CHECK(net_local_http(net, NET_LOCAL_PORT, &check)); /* again: nothing changes */
    assert_true(call_arrives(one));
    CHECK(net_local_http(net, 5555, &check));
    assert_true(call_arrives(two));
    /* rules that somebody flushed come back */
    AUTO_STR table = STR_INIT;
    str_addf(&table, "gantry_%s", world.run);
    for (char *p = table.data; *p; p++)
        if (*p == '-')
            *p = '_';
    CHECK(nft_delete_table(NFT_IP, table.data, &check));
    CHECK(net_mend(net, &check));
    assert_true(call_arrives(two));
    /* a second run does not get it while the first is there */
    struct net *other;
    CHECK(net_open(&other_config, &other, &check));
    assert_false(net_local_claim(other));
    CHECK(net_local_http(other, NET_LOCAL_PORT, &check));
    assert_true(call_arrives(two));
    assert_true(net_local_claim(net)); /* asked again: still ours */
    net_free(other);
    CHECK(net_purge(&other_config, &check));
    close(one);
    close(two);
}

int main(int argc, char **argv)
{
    inmate_program = argc > 1 ? argv[1] : "./inmate";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_ports),
        cmocka_unit_test(test_way_out),
        cmocka_unit_test(test_forward_policy_of_others),
        cmocka_unit_test(test_attach_again_and_conflicts),
        cmocka_unit_test(test_no_network),
        cmocka_unit_test(test_reopened),
        cmocka_unit_test(test_local_address),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
