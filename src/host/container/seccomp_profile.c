/* The policy in two forms: the "seccomp" object of a config.json, for every OCI runtime,
 * and compiled, for crun, which takes a ready filter from an annotation. Compiling it for
 * three architectures costs crun more than all of the rest of a start (measured: 10 ms and
 * more beside some 10 ms), every time; we do it once.
 *
 * Both depend only on the capabilities, and nearly every container has the same ones, so a
 * few are kept for the life of the process. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fd.h"
#include "json_text.h"
#include "oci_spec.h"
#include "seccomp_policy.h"

#define CACHE_SIZE   16
#define ERRNO_EPERM  1
#define ERRNO_ENOSYS 38

struct cached {
    uint64_t capabilities;
    char *profile; /* JSON */
    char *filter;  /* BPF, base64; NULL: could not be made */
};

static struct {
    pthread_mutex_t lock;
    struct cached entries[CACHE_SIZE];
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
static const struct {
    uint32_t token;
    const char *name;
} architectures[] = {{SCMP_ARCH_NATIVE, NULL}};
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

static void add_arg_rule(struct str *s, const struct seccomp_arg_rule *rule)
{
    static const char *const ops[] = {[SECCOMP_EQUAL] = "SCMP_CMP_EQ",
                                      [SECCOMP_NOT_EQUAL] = "SCMP_CMP_NE",
                                      [SECCOMP_MASKED_ZERO] = "SCMP_CMP_MASKED_EQ"};
    jtext_open(s, NULL, '{');
    jtext_open(s, "names", '[');
    jtext_plain(s, NULL, rule->call);
    jtext_close(s, ']');
    jtext_plain(s, "action", "SCMP_ACT_ALLOW");
    jtext_open(s, "args", '[');
    jtext_open(s, NULL, '{');
    jtext_i64(s, "index", 0);
    jtext_i64(s, "value", rule->value);
    jtext_i64(s, "valueTwo", 0);
    jtext_plain(s, "op", ops[rule->compare]);
    jtext_close(s, '}');
    jtext_close(s, ']');
    jtext_close(s, '}');
}

static void add_arg_rules(struct str *s, uint64_t capabilities)
{
    for (size_t i = 0; i < seccomp_arg_rule_count; i++) {
        const struct seccomp_arg_rule *rule = &seccomp_arg_rules[i];
        if (!rule->not_beside || !holds(capabilities, rule->not_beside))
            add_arg_rule(s, rule);
    }
    if (holds(capabilities, SECCOMP_ENOSYS_CAPABILITY))
        return;
    jtext_open(s, NULL, '{');
    jtext_open(s, "names", '[');
    jtext_plain(s, NULL, SECCOMP_ENOSYS_CALL);
    jtext_close(s, ']');
    jtext_plain(s, "action", "SCMP_ACT_ERRNO");
    jtext_i64(s, "errnoRet", ERRNO_ENOSYS);
    jtext_close(s, '}');
}

static void add_architectures(struct str *s)
{
    jtext_open(s, "architectures", '[');
    for (size_t i = 0; i < ARCHITECTURE_COUNT; i++)
        if (architectures[i].name)
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
    add_arg_rules(&s, capabilities);
    jtext_close(&s, ']');
    jtext_close(&s, '}');
    return str_take(&s);
}

/* --- the same policy, compiled --- */

static int allow(scmp_filter_ctx ctx, const char *name, size_t len)
{
    char text[64];
    if (len >= sizeof(text))
        return -1;
    memcpy(text, name, len);
    text[len] = '\0';
    if (!call_exists(text))
        return 0;
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(text), 0);
}

static int allow_names(scmp_filter_ctx ctx, const char *names)
{
    int r = 0;
    for (const char *p = names; *p && r == 0;) {
        size_t n = strcspn(p, " ");
        if (n > 0)
            r = allow(ctx, p, n);
        p += n + (p[n] == ' ');
    }
    return r;
}

static int compile_arg_rules(scmp_filter_ctx ctx, uint64_t capabilities)
{
    int r = 0;
    for (size_t i = 0; i < seccomp_arg_rule_count && r == 0; i++) {
        const struct seccomp_arg_rule *rule = &seccomp_arg_rules[i];
        if (rule->not_beside && holds(capabilities, rule->not_beside))
            continue;
        struct scmp_arg_cmp cmp = rule->compare == SECCOMP_EQUAL
                                      ? SCMP_A0(SCMP_CMP_EQ, rule->value)
                                  : rule->compare == SECCOMP_NOT_EQUAL
                                      ? SCMP_A0(SCMP_CMP_NE, rule->value)
                                      : SCMP_A0(SCMP_CMP_MASKED_EQ, rule->value, 0);
        r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW,
                                   seccomp_syscall_resolve_name(rule->call), 1, &cmp);
    }
    if (r == 0 && !holds(capabilities, SECCOMP_ENOSYS_CAPABILITY))
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ERRNO_ENOSYS),
                             seccomp_syscall_resolve_name(SECCOMP_ENOSYS_CALL), 0);
    return r;
}

static int add_rules(scmp_filter_ctx ctx, uint64_t capabilities)
{
    int r = 0;
    for (size_t i = 0; i < ARCHITECTURE_COUNT && r == 0; i++) {
        r = seccomp_arch_add(ctx, architectures[i].token);
        if (r == -EEXIST) /* the native one is there from the start */
            r = 0;
    }
    /* A tree instead of a list: every call that the container makes is checked by this. */
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (size_t i = 0; seccomp_always[i] && r == 0; i++)
        r = allow_names(ctx, seccomp_always[i]);
    for (size_t i = 0; i < seccomp_extra_count && r == 0; i++)
        if (holds(capabilities, seccomp_extras[i].capability))
            r = allow_names(ctx, seccomp_extras[i].calls);
    return r < 0 ? r : compile_arg_rules(ctx, capabilities);
}

static char *encode(int fd)
{
    struct str text = STR_INIT;
    char path[64];
    AUTO_STR code = STR_INIT;
    struct error ignored;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (file_read(AT_FDCWD, path, 1 << 20, &code, &ignored) < 0 || code.len == 0)
        return NULL;
    str_reserve(&text, code.len * 4 / 3 + 8);
    int n = EVP_EncodeBlock((unsigned char *)text.data, (unsigned char *)code.data,
                            (int)code.len);
    text.len = (size_t)n;
    return str_take(&text);
}

/* NULL when libseccomp does not want to: the runtime then compiles the JSON form. */
static char *make_filter(uint64_t capabilities)
{
    char *text = NULL;
    AUTO_FD fd = memfd_create("seccomp", MFD_CLOEXEC);
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ERRNO_EPERM));
    if (ctx && fd >= 0 && add_rules(ctx, capabilities) == 0 &&
        seccomp_export_bpf(ctx, fd) == 0)
        text = encode(fd);
    if (ctx)
        seccomp_release(ctx);
    return text;
}

/* --- the cache --- */

static struct cached *cached(uint64_t capabilities)
{
    for (size_t i = 0; i < cache.count; i++)
        if (cache.entries[i].capabilities == capabilities)
            return &cache.entries[i];
    /* Full: the last place is used again and again. */
    struct cached *e =
        &cache.entries[cache.count < CACHE_SIZE ? cache.count++ : CACHE_SIZE - 1];
    free(e->profile);
    free(e->filter);
    *e = (struct cached){.capabilities = capabilities,
                         .profile = make_profile(capabilities),
                         .filter = make_filter(capabilities)};
    return e;
}

void seccomp_profile_write(uint64_t capabilities, struct str *ret)
{
    pthread_mutex_lock(&cache.lock);
    str_add(ret, cached(capabilities)->profile);
    pthread_mutex_unlock(&cache.lock);
}

bool seccomp_filter_write(uint64_t capabilities, struct str *ret)
{
    pthread_mutex_lock(&cache.lock);
    const char *filter = cached(capabilities)->filter;
    str_add(ret, filter);
    pthread_mutex_unlock(&cache.lock);
    return filter != NULL;
}
