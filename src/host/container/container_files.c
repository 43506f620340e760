#include "container_files.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"

#define HOST_FILE_MAX (1 << 20)
#define RESOLVED_FILE "/run/systemd/resolve/resolv.conf"

/* --- resolv.conf --- */

static bool is_loopback(const char *address)
{
    return str_starts(address, "127.") || streq(address, "::1") ||
           str_starts(address, "::ffff:127.");
}

/* The address of a nameserver line, in ret; false for any other line. */
static bool nameserver(const char *line, size_t len, char *ret, size_t size)
{
    static const char word[] = "nameserver";
    const size_t n = sizeof(word) - 1;
    if (len <= n || strncmp(line, word, n) != 0 || !isblank((unsigned char)line[n]))
        return false;
    const char *p = line + n, *end = line + len;
    while (p < end && isblank((unsigned char)*p))
        p++;
    const char *from = p;
    while (p < end && !isspace((unsigned char)*p))
        p++;
    snprintf(ret, size, "%.*s", (int)(p - from), from);
    return *ret != '\0';
}

/* Copies the lines; returns the number of resolvers that a container can reach. */
static int copy_lines(const char *text, struct str *ret)
{
    int servers = 0;
    char address[64];
    for (const char *p = text; p && *p;) {
        size_t len = strcspn(p, "\n");
        bool server = nameserver(p, len, address, sizeof(address));
        /* A link-local resolver with a zone (fe80::1%eth0) means an interface that the
         * container does not have. */
        if (!server || (!is_loopback(address) && !strchr(address, '%'))) {
            str_addn(ret, p, len);
            str_addc(ret, '\n');
            servers += server;
        }
        p += len + (p[len] == '\n');
    }
    return servers;
}

void resolv_conf_filter(const char *host_text, const char *upstream, struct str *ret)
{
    AUTO_STR from_upstream = STR_INIT;
    str_clear(ret);
    if (copy_lines(host_text, ret) > 0 || !upstream)
        return;
    if (copy_lines(upstream, &from_upstream) > 0) {
        str_clear(ret);
        str_add(ret, from_upstream.data);
    }
}

static void add_list(struct str *s, const char *word, const char *const *items)
{
    for (; items && *items; items++)
        str_addf(s, "%s %s\n", word, *items);
}

static void read_host_file(const char *path, struct str *ret)
{
    struct error ignored;
    if (file_read(AT_FDCWD, path, HOST_FILE_MAX, ret, &ignored) < 0)
        str_clear(ret); /* a machine without it is no reason not to run */
}

static void make_resolv_conf(const struct container_files *f, struct str *ret)
{
    AUTO_STR host = STR_INIT, upstream = STR_INIT;
    if (f->dns_servers && f->dns_servers[0]) {
        add_list(ret, "nameserver", f->dns_servers);
    } else {
        read_host_file("/etc/resolv.conf", &host);
        read_host_file(RESOLVED_FILE, &upstream);
        if (f->host_network)
            str_add(ret, host.data);
        else
            resolv_conf_filter(str_text(&host), upstream.data, ret);
    }
    if (f->dns_search && f->dns_search[0]) {
        str_add(ret, "search");
        for (const char *const *d = f->dns_search; *d; d++)
            str_addf(ret, " %s", *d);
        str_addc(ret, '\n');
    }
}

/* --- hosts, hostname --- */

static void make_hosts(const struct container_files *f, struct str *ret)
{
    if (f->host_network)
        read_host_file("/etc/hosts", ret);
    if (ret->len == 0)
        str_add(ret, "127.0.0.1\tlocalhost\n"
                     "::1\tlocalhost ip6-localhost ip6-loopback\n");
    if (ret->len && ret->data[ret->len - 1] != '\n')
        str_addc(ret, '\n');
    for (size_t i = 0; i < f->extra_host_count; i++)
        str_addf(ret, "%s\t%s\n", f->extra_hosts[i].value, f->extra_hosts[i].name);
    if (!f->host_network && !str_empty(f->address) && !str_empty(f->hostname))
        str_addf(ret, "%s\t%s\n", f->address, f->hostname);
}

static void make_hostname(const struct container_files *f, struct str *ret)
{
    char name[256] = "";
    if (str_empty(f->hostname))
        gethostname(name, sizeof(name) - 1);
    str_addf(ret, "%s\n", str_empty(f->hostname) ? name : f->hostname);
}

static int put(const char *dir, const char *name, const struct str *text,
               struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/%s", dir, name);
    return file_replace(path.data, str_text(text), text->len, 0644, 0, err);
}

int container_files_write(const struct container_files *f, struct error *err)
{
    AUTO_STR resolv = STR_INIT, hosts = STR_INIT, hostname = STR_INIT;
    make_resolv_conf(f, &resolv);
    make_hosts(f, &hosts);
    make_hostname(f, &hostname);
    int r = dir_make_all(f->dir, 0755, err);
    if (r == 0)
        r = put(f->dir, "resolv.conf", &resolv, err);
    if (r == 0)
        r = put(f->dir, "hosts", &hosts, err);
    return r < 0 ? r : put(f->dir, "hostname", &hostname, err);
}

void container_files_mounts(const char *dir, struct str keep[3], struct spec_mount ret[3])
{
    static const char *const names[3] = {"resolv.conf", "hosts", "hostname"};
    static const char *const inside[3] = {"/etc/resolv.conf", "/etc/hosts",
                                          "/etc/hostname"};
    for (int i = 0; i < 3; i++) {
        str_clear(&keep[i]);
        str_addf(&keep[i], "%s/%s", dir, names[i]);
        ret[i] = (struct spec_mount){.source = keep[i].data, .destination = inside[i]};
    }
}
