#include "net_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "nft.h"

static uint32_t short_hash(const char *text)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

int net_names_init(const char *run, struct net_names *ret, struct error *err)
{
    size_t n = strlen(run);
    if (n == 0 || n > 40)
        return fail(err, E_INVALID, "'%s' is no run id", run);
    snprintf(ret->run, sizeof(ret->run), "%s", run);
    snprintf(ret->table, sizeof(ret->table), "gantry_%s", run);
    for (char *p = ret->table; *p; p++)
        if (*p == '-')
            *p = '_';
    snprintf(ret->bridge, sizeof(ret->bridge), "gt%08x", short_hash(run));
    return 0;
}

int net_rules_load(const struct net_names *n, const char *subnet, const char *gateway,
                   struct error *err)
{
    AUTO_STR t = STR_INIT;
    const char *dnat =
        "fib daddr type local dnat ip to meta l4proto . th dport map @" NET_PORT_MAP;
    str_addf(&t, "table ip %s\ndelete table ip %s\ntable ip %s {\n", n->table, n->table,
             n->table);
    str_add(&t, "map " NET_PORT_MAP
                " { type inet_proto . inet_service : ipv4_addr . inet_service; }\n");
    static const char *const local_maps[] = {NET_LOCAL_MAP, NET_LOCAL_HERE_MAP};
    for (int i = 0; i < 2; i++)
        str_addf(&t,
                 "map %s { type ipv4_addr . inet_service : ipv4_addr . inet_service; }\n",
                 local_maps[i]);
    /* Towards published ports: from outside, and from the instance itself. */
    const char *local = "meta l4proto tcp dnat ip to ip daddr . tcp dport map @";
    str_addf(&t,
             "chain arriving { type nat hook prerouting priority -100; %s\n"
             " iifname \"%s\" %s" NET_LOCAL_MAP "\n}\n",
             dnat, n->bridge, local);
    str_addf(&t,
             "chain local_calls { type nat hook output priority -100; %s\n"
             " %s" NET_LOCAL_HERE_MAP "\n}\n",
             dnat, local);
    /* Loopback addresses mean nothing in a container, and a container that calls its own
     * published port would answer itself past us: both get the bridge's address. */
    str_addf(&t,
             "chain leaving { type nat hook postrouting priority 100;\n"
             " oifname \"%s\" ip saddr 127.0.0.0/8 masquerade\n"
             " oifname \"%s\" ip saddr %s ct status dnat masquerade\n"
             " oifname != \"%s\" ip saddr %s masquerade\n}\n",
             n->bridge, n->bridge, subnet, n->bridge, subnet);
    /* route_localnet lets 127.0.0.1 cross the bridge for published ports; nobody behind the
     * bridge may use that to reach the instance's own loopback services. */
    str_addf(&t,
             "chain guard { type filter hook prerouting priority -300;\n"
             " iifname \"%s\" ip daddr 127.0.0.0/8 drop\n"
             /* the agent's own address is for this run and this machine */
             " iifname != { \"%s\", \"lo\" } ip daddr %s tcp dport %d drop\n}\n}\n",
             n->bridge, n->bridge, gateway, NET_LOCAL_PORT);
    return nft_load(t.data, err);
}

/* --- FORWARD of others --- */

static void comment_of(const struct net_names *n, char *ret, size_t size)
{
    snprintf(ret, size, "gantry-%s", n->run);
}

static int load_list(const char *const args[], json_t **ret, struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = nft_list(args, &text, err);
    if (r < 0)
        return r;
    *ret = json_loads(str_text(&text), 0, NULL);
    return *ret ? 0 : fail(err, E_PROTOCOL, "nft printed no JSON");
}

static bool drops_forward(const json_t *chain, const struct net_names *n)
{
    const char *family = json_string_value(json_object_get(chain, "family"));
    return (streq(family, "ip") || streq(family, "inet")) &&
           streq(json_string_value(json_object_get(chain, "hook")), "forward") &&
           streq(json_string_value(json_object_get(chain, "policy")), "drop") &&
           !streq(json_string_value(json_object_get(chain, "table")), n->table);
}

/* Calls `each` for the rules of a chain that carry our comment; returns their number. */
static int our_rules(const json_t *chain, const struct net_names *n, struct str *deletes,
                     struct error *err)
{
    const char *family = json_string_value(json_object_get(chain, "family"));
    const char *table = json_string_value(json_object_get(chain, "table"));
    const char *name = json_string_value(json_object_get(chain, "name"));
    const char *args[] = {"chain", family, table, name, NULL};
    char comment[64];
    comment_of(n, comment, sizeof(comment));
    json_t *root;
    int r = load_list(args, &root, err), count = 0;
    if (r < 0)
        return r;
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(root, "nftables"), i, item) {
        const json_t *rule = json_object_get(item, "rule");
        if (!streq(json_string_value(json_object_get(rule, "comment")), comment))
            continue;
        count++;
        if (deletes)
            str_addf(deletes, "delete rule %s %s %s handle %lld\n", family, table, name,
                     (long long)json_integer_value(json_object_get(rule, "handle")));
    }
    json_decref(root);
    return count;
}

static int allow_in(const json_t *chain, const struct net_names *n, struct str *inserts,
                    struct error *err)
{
    int have = our_rules(chain, n, NULL, err);
    if (have != 0)
        return have < 0 ? have : 0;
    const char *where[] = {"iifname", "oifname"};
    for (int i = 0; i < 2; i++)
        str_addf(inserts, "insert rule %s %s %s %s \"%s\" accept comment \"gantry-%s\"\n",
                 json_string_value(json_object_get(chain, "family")),
                 json_string_value(json_object_get(chain, "table")),
                 json_string_value(json_object_get(chain, "name")), where[i], n->bridge,
                 n->run);
    return 0;
}

static int each_forward(const struct net_names *n, bool allow, struct str *script,
                        struct error *err)
{
    const char *args[] = {"chains", NULL};
    json_t *root;
    int r = load_list(args, &root, err);
    if (r < 0)
        return r;
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(root, "nftables"), i, item) {
        const json_t *chain = json_object_get(item, "chain");
        bool forward =
            streq(json_string_value(json_object_get(chain, "hook")), "forward") &&
            !streq(json_string_value(json_object_get(chain, "table")), n->table);
        if (!chain || !forward)
            continue;
        if (!allow)
            r = our_rules(chain, n, script, err);
        else if (drops_forward(chain, n))
            r = allow_in(chain, n, script, err);
        if (r < 0)
            break;
    }
    json_decref(root);
    return r < 0 ? r : 0;
}

static int forward(const struct net_names *n, bool allow, struct error *err)
{
    AUTO_STR script = STR_INIT;
    int r = each_forward(n, allow, &script, err);
    return r < 0 || script.len == 0 ? r : nft_load(script.data, err);
}

int net_forward_allow(const struct net_names *n, struct error *err)
{
    return forward(n, true, err);
}

int net_forward_forget(const struct net_names *n, struct error *err)
{
    return forward(n, false, err);
}

/* --- sysctls of this network namespace --- */

static void sysctl_path(const char *name, struct str *ret)
{
    str_addf(ret, "/proc/sys/%s", name);
}

int sysctl_read(const char *name, char *ret, size_t size, struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    sysctl_path(name, &path);
    int r = file_read(AT_FDCWD, path.data, 1 << 20, &text, err);
    if (r < 0)
        return r;
    while (text.len && text.data[text.len - 1] == '\n')
        text.data[--text.len] = '\0';
    if (text.len >= size)
        return fail(err, E_LIMIT, "sysctl '%s' is too long", name);
    snprintf(ret, size, "%s", str_text(&text));
    return 0;
}

int sysctl_write(const char *name, const char *value, struct error *err)
{
    AUTO_STR path = STR_INIT;
    sysctl_path(name, &path);
    AUTO_FD fd = open(path.data, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, errno, "open '%s'", path.data);
    /* One write: the kernel takes each as a whole value. An empty list needs a newline. */
    AUTO_STR text = STR_INIT;
    str_addf(&text, "%s\n", value);
    if (write(fd, text.data, text.len) != (ssize_t)text.len)
        return fail_errno(err, errno, "write '%s' to '%s'", value, path.data);
    return 0;
}
