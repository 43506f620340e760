/* The policy as the "seccomp" object of a config.json.
 *
 * The text depends only on the capabilities, and nearly every container has the same
 * ones, so a few texts are kept for the life of the process. Names that libseccomp does
 * not know here are left out: the OCI runtime then compiles no more than it must. */
#include <pthread.h>
#include <seccomp.h>
#include <stdlib.h>

#include "json_text.h"
#include "oci_spec.h"
#include "seccomp_policy.h"

#define CACHE_SIZE  16
#define ERRNO_EPERM 1
#define ERRNO_ENOSYS 38
/* CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET */
#define CLONE_NAMESPACES 0x7E020000
#define AF_VSOCK_NUMBER  40

static struct {
    pthread_mutex_t lock;
    struct {
        uint64_t capabilities;
        char *text;
    } entries[CACHE_SIZE];
    size_t count;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

#if defined(__x86_64__)
static const struct {
    uint32_t token;
    const char *name;
} architectures[] = {{SCMP_ARCH_X86_64, "SCMP_ARCH_X86_64"},
                     {SCMP_ARCH_X86, "SCMP_ARCH_X86"},
                     {SCMP_ARCH_X32, "SCMP_ARCH_X32"}};
#elif defined(__aarch64__)
static const struct {
    uint32_t token;
    const char *name;
} architectures[] = {{SCMP_ARCH_AARCH64, "SCMP_ARCH_AARCH64"},
                     {SCMP_ARCH_ARM, "SCMP_ARCH_ARM"}};
#else
#error "no seccomp policy for this architecture"
#endif
#define ARCHITECTURE_COUNT (sizeof(architectures) / sizeof(architectures[0]))

static bool call_exists(const char *name)
{
    /* Negative numbers stand for calls that the architecture does not have. */
    for (size_t i = 0; i < ARCHITECTURE_COUNT; i++)
        if (seccomp_syscall_resolve_name_arch(architectures[i].token, name) >= 0)
            return true;
    return false;
}

static void add_names(struct str *s, const char *names)
{
    char name[64];
    for (const char *p = names; *p;) {
        size_t n = strcspn(p, " ");
        if (n > 0 && n < sizeof(name)) {
            memcpy(name, p, n);
            name[n] = '\0';
            if (call_exists(name))
                jtext_plain(s, NULL, name);
        }
        p += n + (p[n] == ' ');
    }
}

static bool holds(uint64_t set, const char *capability)
{
    for (unsigned i = 0; capability_name(i); i++)
        if (strcmp(capability_name(i), capability) == 0)
            return set >> i & 1;
    return false;
}

static void arg_rule(struct str *s, const char *call, const char *op, uint64_t value,
                     uint64_t value_two)
{
    jtext_open(s, NULL, '{');
    jtext_open(s, "names", '[');
    jtext_plain(s, NULL, call);
    jtext_close(s, ']');
    jtext_plain(s, "action", "SCMP_ACT_ALLOW");
    jtext_open(s, "args", '[');
    jtext_open(s, NULL, '{');
    jtext_i64(s, "index", 0);
    jtext_i64(s, "value", (int64_t)value);
    jtext_i64(s, "valueTwo", (int64_t)value_two);
    jtext_plain(s, "op", op);
    jtext_close(s, '}');
    jtext_close(s, ']');
    jtext_close(s, '}');
}

static void add_arg_rules(struct str *s, bool admin)
{
    static const uint32_t personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
    for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++)
        arg_rule(s, "personality", "SCMP_CMP_EQ", personalities[i], 0);
    arg_rule(s, "socket", "SCMP_CMP_NE", AF_VSOCK_NUMBER, 0);
    if (admin)
        return;
    arg_rule(s, "clone", "SCMP_CMP_MASKED_EQ", CLONE_NAMESPACES, 0);
    /* clone3's flags are in memory, where no filter sees them. ENOSYS makes libc fall back
     * to clone. */
    jtext_open(s, NULL, '{');
    jtext_open(s, "names", '[');
    jtext_plain(s, NULL, "clone3");
    jtext_close(s, ']');
    jtext_plain(s, "action", "SCMP_ACT_ERRNO");
    jtext_i64(s, "errnoRet", ERRNO_ENOSYS);
    jtext_close(s, '}');
}

static void add_architectures(struct str *s)
{
    jtext_open(s, "architectures", '[');
    for (size_t i = 0; i < ARCHITECTURE_COUNT; i++)
        jtext_plain(s, NULL, architectures[i].name);
    jtext_close(s, ']');
}

static char *make_profile(uint64_t capabilities)
{
    struct str s = STR_INIT;
    str_reserve(&s, 16384);
    jtext_open(&s, NULL, '{');
    jtext_plain(&s, "defaultAction", "SCMP_ACT_ERRNO");
    jtext_i64(&s, "defaultErrnoRet", ERRNO_EPERM);
    add_architectures(&s);
    jtext_open(&s, "syscalls", '[');
    jtext_open(&s, NULL, '{');
    jtext_open(&s, "names", '[');
    for (size_t i = 0; seccomp_always[i]; i++)
        add_names(&s, seccomp_always[i]);
    for (size_t i = 0; i < seccomp_extra_count; i++)
        if (holds(capabilities, seccomp_extras[i].capability))
            add_names(&s, seccomp_extras[i].calls);
    jtext_close(&s, ']');
    jtext_plain(&s, "action", "SCMP_ACT_ALLOW");
    jtext_close(&s, '}');
    add_arg_rules(&s, holds(capabilities, "CAP_SYS_ADMIN"));
    jtext_close(&s, ']');
    jtext_close(&s, '}');
    return str_take(&s);
}

int seccomp_profile_write(uint64_t capabilities, struct str *ret, struct error *err)
{
    (void)err;
    pthread_mutex_lock(&cache.lock);
    char *text = NULL;
    for (size_t i = 0; i < cache.count && !text; i++)
        if (cache.entries[i].capabilities == capabilities)
            text = cache.entries[i].text;
    if (!text) {
        text = make_profile(capabilities);
        /* Full: the last place is used again and again. */
        size_t at = cache.count < CACHE_SIZE ? cache.count++ : CACHE_SIZE - 1;
        free(cache.entries[at].text);
        cache.entries[at].capabilities = capabilities;
        cache.entries[at].text = text;
    }
    str_add(ret, text);
    pthread_mutex_unlock(&cache.lock);
    return 0;
}
