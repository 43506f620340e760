#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "fd.h"
#include "layout.h"
#include "link.h"
#include "program.h"
#include "run_record.h"

/* ---- helpers ---- */

/* Runs the trial in a child, so that its namespaces and ids end with it. Its text, which
 * says what failed, comes back; empty: all went well. */
static bool try_apart(void (*trial)(struct options *o, struct error *err),
                      struct options *o, struct str *ret_why)
{
    int ends[2], status = 1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        struct error err = ERROR_INIT;
        trial(o, &err);
        ssize_t n = write(ends[1], err.text, strlen(err.text));
        _exit(err.code != E_OK || n < 0 ? 1 : 0);
    }
    char buf[ERROR_TEXT_SIZE];
    fd_close(&ends[1]);
    ssize_t n = pid > 0 ? read(ends[0], buf, sizeof(buf)) : 0;
    fd_close(&ends[0]);
    if (n > 0)
        str_addn(ret_why, buf, (size_t)n);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The directory itself or its nearest parent that is there. */
static void nearest_dir(const char *path, struct str *ret)
{
    str_add(ret, path);
    while (access(ret->data, F_OK) < 0) {
        char *slash = strrchr(ret->data, '/');
        if (!slash)
            break;
        ret->len = slash == ret->data ? 1 : (size_t)(slash - ret->data);
        ret->data[ret->len] = '\0';
    }
}

static bool not_root(struct finding *f)
{
    if (geteuid() == 0)
        return false;
    finding_set(f, DOCTOR_WARNING, "only root can look");
    finding_mend(f, "sudo gantry doctor");
    return true;
}

/* ---- kernel ---- */

static void check_kernel(struct options *o, struct finding *f)
{
    struct utsname u;
    AUTO_FD fd = pidfd_open(getpid(), 0);
    uname(&u);
    finding_set(f, DOCTOR_OK, "Linux %s", u.release);
    if (fd < 0) {
        finding_set(f, DOCTOR_MISSING, "Linux %s is too old", u.release);
        finding_mend(f, "a kernel of 5.10 or later");
    }
}

static void check_namespaces(struct options *o, struct finding *f)
{
    static const char *const kinds[] = {"mnt", "pid", "net", "ipc", "uts", "cgroup"};
    AUTO_STR lacking = STR_INIT;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        AUTO_STR path = STR_INIT;
        str_addf(&path, "/proc/self/ns/%s", kinds[i]);
        if (access(path.data, F_OK) < 0)
            str_addf(&lacking, " %s", kinds[i]);
    }
    finding_set(f, DOCTOR_OK, "mount, pid, network, ipc, uts, cgroup");
    if (lacking.len) {
        finding_set(f, DOCTOR_MISSING, "the kernel lacks:%s", lacking.data);
        finding_mend(f, "a kernel with these namespaces (Debian's has them)");
    }
}

static void try_seccomp(struct options *o, struct error *err)
{
    if (prctl(PR_GET_SECCOMP) < 0)
        fail_errno(err, errno, "PR_GET_SECCOMP");
}

static void check_seccomp(struct options *o, struct finding *f)
{
    AUTO_STR why = STR_INIT;
    finding_set(f, DOCTOR_OK, "system call filters");
    if (try_apart(try_seccomp, o, &why))
        return;
    finding_set(f, DOCTOR_WARNING, "no system call filters: %s", str_text(&why));
    finding_mend(
        f, "a kernel with CONFIG_SECCOMP_FILTER; without it containers run unfiltered");
}

static void check_cgroups(struct options *o, struct finding *f)
{
    struct cgroups cg;
    struct error err;
    if (cgroups_open(CGROUP_ROOT, "doctor", &cg, &err) < 0) {
        finding_set(f, DOCTOR_MISSING, "%s", err.text);
        finding_mend(f, "mount cgroup2 at " CGROUP_ROOT " (systemd does)");
        return;
    }
    const unsigned needed = CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS;
    finding_set(f, DOCTOR_OK, "version %d%s%s", cg.version,
                cg.hybrid ? " with a cgroup2 mount beside it" : "",
                cg.has_swap ? ", swap is counted" : "");
    if ((cg.controllers & needed) == needed)
        return;
    finding_set(f, DOCTOR_MISSING, "version %d, but these controllers are missing:%s%s%s",
                cg.version, cg.controllers & CGROUP_CPU ? "" : " cpu",
                cg.controllers & CGROUP_MEMORY ? "" : " memory",
                cg.controllers & CGROUP_PIDS ? "" : " pids");
    finding_mend(f, "boot with cgroup_enable=memory, or delegate them to this container");
}

/* ---- file systems ---- */

static int try_overlay_in(const char *dir, struct error *err)
{
    AUTO_STR options = STR_INIT, path = STR_INIT;
    static const char *const parts[] = {"lower", "upper", "work", "root"};
    for (size_t i = 0; i < 4; i++) {
        str_clear(&path);
        str_addf(&path, "%s/%s", dir, parts[i]);
        if (mkdir(path.data, 0700) < 0)
            return fail_errno(err, errno, "mkdir '%s'", path.data);
    }
    str_addf(&options, "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", dir, dir,
             dir);
    if (mount("overlay", path.data, "overlay", 0, options.data) < 0)
        return fail_errno(err, errno, "mount an overlay");
    umount2(path.data, MNT_DETACH);
    return 0;
}

static void try_overlay(struct options *o, struct error *err)
{
    AUTO_STR dir = STR_INIT;
    nearest_dir(o->data_dir, &dir);
    str_add(&dir, "/.gantry-doctor-XXXXXX");
    if (unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        fail_errno(err, errno, "a mount namespace");
        return;
    }
    if (!mkdtemp(dir.data)) {
        fail_errno(err, errno, "mkdir '%s'", dir.data);
        return;
    }
    try_overlay_in(dir.data, err);
    dir_remove_all(dir.data, NULL);
}

static void check_overlay(struct options *o, struct finding *f)
{
    AUTO_STR why = STR_INIT, dir = STR_INIT;
    if (not_root(f))
        return;
    nearest_dir(o->data_dir, &dir);
    finding_set(f, DOCTOR_OK, "works in '%s'", dir.data);
    if (try_apart(try_overlay, o, &why))
        return;
    finding_set(f, DOCTOR_MISSING, "does not work in '%s': %s", dir.data, str_text(&why));
    finding_mend(f,
                 "modprobe overlay; or a --data-dir on ext4 or xfs, not on an overlay");
}

#define ROOM_MISSING (UINT64_C(256) << 20)
#define ROOM_WARNING (UINT64_C(2) << 30)

static void check_disk(struct options *o, struct finding *f)
{
    AUTO_STR dir = STR_INIT;
    struct statvfs st;
    nearest_dir(o->data_dir, &dir);
    if (statvfs(dir.data, &st) < 0) {
        finding_set(f, DOCTOR_WARNING, "'%s': %s", dir.data, strerror(errno));
        return;
    }
    uint64_t room = (uint64_t)st.f_bavail * st.f_frsize;
    enum doctor_verdict v = room < ROOM_MISSING   ? DOCTOR_MISSING
                            : room < ROOM_WARNING ? DOCTOR_WARNING
                                                  : DOCTOR_OK;
    finding_set(f, v, "%.1f GB free in '%s'", (double)room / 1e9, dir.data);
    if (v != DOCTOR_OK)
        finding_mend(f, "make room, or choose a --data-dir on a larger disk");
}

/* A Fargate task's storage has a size; so has that of a task that asks for one. */
static void check_sized(struct options *o, struct finding *f)
{
    AUTO_STR path = STR_INIT;
    bool loops = access("/dev/loop-control", F_OK) == 0;
    if (loops && program_find("mkfs.ext4", &path)) {
        finding_set(f, DOCTOR_OK, "loop devices and %s: Fargate tasks can run",
                    path.data);
        return;
    }
    finding_set(f, DOCTOR_WARNING, "%s: no task on FARGATE can start",
                loops ? "mkfs.ext4 is missing" : "there are no loop devices");
    finding_mend(f, loops ? "apt-get install e2fsprogs" : "modprobe loop");
}

/* ---- programs ---- */

static void check_version(const char *program, const char *option, const char *package,
                          struct finding *f)
{
    AUTO_STR path = STR_INIT, version = STR_INIT;
    const char *args[] = {program, option, NULL};
    if (!program_find(program, &path)) {
        finding_set(f, DOCTOR_MISSING, "not found in PATH");
        finding_mend(f, "apt-get install %s", package);
    } else if (!program_say(args, &version)) {
        finding_set(f, DOCTOR_MISSING, "%s does not run: %s", path.data,
                    str_text(&version));
        finding_mend(f, "apt-get install --reinstall %s", package);
    } else {
        version.data[strcspn(version.data, "\n")] = '\0';
        finding_set(f, DOCTOR_OK, "%s (%s)", path.data, version.data);
    }
}

static void check_program(const char *program, const char *package, struct finding *f)
{
    check_version(program, "--version", package, f);
}

static void check_crun(struct options *o, struct finding *f)
{
    check_program("crun", "crun", f);
}

static void check_conmon(struct options *o, struct finding *f)
{
    check_program("conmon", "conmon", f);
}

static void check_nft(struct options *o, struct finding *f)
{
    check_program("nft", "nftables", f);
}

#define OR_NO_EDGE "; or: gantry up --no-edge"

static void check_haproxy(struct options *o, struct finding *f)
{
    check_version("haproxy", "-v", "haproxy" OR_NO_EDGE, f);
}

static void check_dnsmasq(struct options *o, struct finding *f)
{
    check_program("dnsmasq", "dnsmasq-base" OR_NO_EDGE, f);
}

/* ---- network ---- */

static void try_links(struct options *o, struct error *err)
{
    if (unshare(CLONE_NEWNET) < 0) {
        fail_errno(err, errno, "a network namespace");
        return;
    }
    AUTO_LINK link = {.fd = -1};
    static const uint8_t bridge_mac[6] = {2, 0, 0, 0, 0, 1}, mac[6] = {2, 0, 0, 0, 0, 2};
    int index;
    int r = link_open(&link, err);
    if (r == 0)
        r = link_add_bridge(&link, "gdoctor0", bridge_mac, err);
    if (r == 0)
        r = link_index(&link, "gdoctor0", &index, err);
    if (r == 0)
        link_add_veth(&link, "gdoctor1", NULL, "gdoctor2", -1, mac, index, err);
}

static void check_links(struct options *o, struct finding *f)
{
    AUTO_STR why = STR_INIT;
    if (not_root(f))
        return;
    finding_set(f, DOCTOR_OK, "bridges and pairs of interfaces can be made");
    if (try_apart(try_links, o, &why))
        return;
    finding_set(f, DOCTOR_MISSING, "%s", str_text(&why));
    finding_mend(f, "modprobe bridge veth");
}

/* What a VPC is made of: a namespace that routes, a pair into another one, and in it
 * connections that are tracked and looked up in maps. */
static void try_vpc(struct options *o, struct error *err)
{
    static const char *const rules[] = {
        "nft",
        "add table ip gantry_doctor; "
        "add set ip gantry_doctor own { typeof iifname . ether saddr . ip saddr; }; "
        "add map ip gantry_doctor public { type ipv4_addr : ipv4_addr; }; "
        "add chain ip gantry_doctor out { type nat hook postrouting priority 100; }; "
        "add rule ip gantry_doctor out snat to ip saddr map @public; "
        "add chain ip gantry_doctor pass { type filter hook forward priority 0; }; "
        "add rule ip gantry_doctor pass ct state established,related accept",
        NULL};
    AUTO_STR said = STR_INIT;
    AUTO_LINK link = {.fd = -1};
    if (unshare(CLONE_NEWNET) < 0) {
        fail_errno(err, errno, "a network namespace");
        return;
    }
    AUTO_FD outer = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (outer < 0 || unshare(CLONE_NEWNET) < 0) {
        fail_errno(err, errno, "a second network namespace");
        return;
    }
    if (link_open(&link, err) == 0 &&
        link_add_veth(&link, "gdoctor1", NULL, "gdoctor2", outer, NULL, 0, err) == 0 &&
        !program_say(rules, &said))
        fail(err, E_UNSUPPORTED, "nftables: %s", str_text(&said));
}

static void check_vpc(struct options *o, struct finding *f)
{
    AUTO_STR why = STR_INIT;
    if (not_root(f))
        return;
    finding_set(f, DOCTOR_OK, "networks with security groups can be made");
    if (try_apart(try_vpc, o, &why))
        return;
    finding_set(f, DOCTOR_MISSING, "%s", str_text(&why));
    finding_mend(f, "modprobe veth nf_conntrack nft_ct nft_chain_nat" OR_NO_EDGE);
}

static void check_nat(struct options *o, struct finding *f)
{
    /* Check mode: the kernel looks at every part of it and keeps nothing. */
    static const char *const args[] = {
        "nft", "-c",
        "add table ip gantry_doctor; "
        "add chain ip gantry_doctor out { type nat hook postrouting priority 100; }; "
        "add map ip gantry_doctor ports { type inet_service : ipv4_addr . inet_service; "
        "}; "
        "add rule ip gantry_doctor out masquerade",
        NULL};
    AUTO_STR said = STR_INIT;
    if (not_root(f))
        return;
    finding_set(f, DOCTOR_OK, "the kernel can translate addresses");
    if (program_say(args, &said))
        return;
    finding_set(f, DOCTOR_MISSING, "nftables can't translate addresses: %s",
                str_text(&said));
    finding_mend(f,
                 "apt-get install nftables; modprobe nf_tables nft_chain_nat nft_masq");
}

static void check_forward(struct options *o, struct finding *f)
{
    static const char *const args[] = {"nft",    "list",    "chain", "ip",
                                       "filter", "FORWARD", NULL};
    AUTO_STR text = STR_INIT, said = STR_INIT;
    bool on =
        file_read(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", 16, &text, NULL) == 0 &&
        text.data[0] == '1';
    finding_set(f, DOCTOR_OK, "%s", on ? "on" : "off; gantry up turns it on");
    if (geteuid() != 0 || !program_say(args, &said) || !strstr(said.data, "policy drop"))
        return;
    finding_set(f, DOCTOR_OK,
                "%s; the FORWARD policy is drop (docker sets it), gantry "
                "makes its own way past it",
                on ? "on" : "off; gantry up turns it on");
}

static bool port_is_ours(struct options *o)
{
    struct layout l;
    struct run_record rec;
    layout_init(&l, o);
    return run_record_read(l.record_path, &o->arena, &rec, NULL) == 0 &&
           process_alive(&rec.up) && str_ends(rec.url, o->listen);
}

static void check_port(struct options *o, struct finding *f)
{
    AUTO_STR host = STR_INIT;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST},
                    *found;
    const char *colon = strrchr(o->listen, ':');
    bool brackets = o->listen[0] == '[' && colon > o->listen && colon[-1] == ']';
    str_addn(&host, o->listen + brackets, (size_t)(colon - o->listen) - 2 * brackets);
    if (getaddrinfo(host.data, colon + 1, &hints, &found) != 0) {
        finding_set(f, DOCTOR_MISSING, "'%s' is not ADDRESS:PORT", o->listen);
        return;
    }
    int one = 1;
    AUTO_FD fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    int r = bind(fd, found->ai_addr, found->ai_addrlen);
    int why = errno;
    freeaddrinfo(found);
    finding_set(f, DOCTOR_OK, "%s is free", o->listen);
    if (r == 0)
        return;
    if (why == EADDRINUSE && port_is_ours(o)) {
        finding_set(f, DOCTOR_OK, "%s is served by the gantry that is up", o->listen);
        return;
    }
    finding_set(f, DOCTOR_MISSING, "%s: %s", o->listen, strerror(why));
    finding_mend(f, "choose another with --listen");
}

/* ---- the server's user ---- */

static void try_user(struct options *o, struct error *err)
{
    struct server_user user;
    AUTO_STR dir = STR_INIT;
    nearest_dir(o->data_dir, &dir);
    if (server_user_find(o->user, &user, err) == 0 && server_user_become(&user, err) == 0)
        server_user_enters(dir.data, err);
}

static void check_user(struct options *o, struct finding *f)
{
    AUTO_STR why = STR_INIT;
    struct server_user user;
    struct error err;
    if (server_user_find(o->user, &user, &err) < 0) {
        finding_set(f, DOCTOR_MISSING, "%s", err.text);
        finding_mend(f, "adduser --system %s, or another --user", o->user);
        return;
    }
    finding_set(f, user.uid ? DOCTOR_OK : DOCTOR_WARNING,
                "the server runs as number %u%s", user.uid,
                user.uid ? "" : ", which is root");
    if (geteuid() != 0 || try_apart(try_user, o, &why))
        return;
    finding_set(f, DOCTOR_MISSING, "%s", str_text(&why));
}

const struct doctor_check doctor_checks[] = {
    {"kernel", check_kernel},
    {"namespaces", check_namespaces},
    {"seccomp", check_seccomp},
    {"cgroups", check_cgroups},
    {"overlayfs", check_overlay},
    {"crun", check_crun},
    {"conmon", check_conmon},
    {"nft", check_nft},
    {"haproxy", check_haproxy},
    {"dnsmasq", check_dnsmasq},
    {"NAT", check_nat},
    {"interfaces", check_links},
    {"VPCs", check_vpc},
    {"forwarding", check_forward},
    {"disk", check_disk},
    {"storage", check_sized},
    {"user", check_user},
    {"port", check_port},
    {0},
};
