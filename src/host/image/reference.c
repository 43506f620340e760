#include "reference.h"

#include <ctype.h>
#include <string.h>

#include "blob.h"

#define ECR_SUFFIX     ".amazonaws.com"
#define DEFAULT_DOMAIN "docker.io"

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* component: alnum runs, joined by one of: '.', '_', '__', any number of '-'. */
static bool component_valid(const char *s, size_t len)
{
    size_t i = 0;
    if (len == 0)
        return false;
    while (i < len) {
        size_t run = i;
        while (i < len && is_lower_alnum(s[i]))
            i++;
        if (i == run)
            return false;
        if (i == len)
            return true;
        size_t sep = i;
        while (i < len && s[i] == s[sep] && strchr("._-", s[i]))
            i++;
        size_t n = i - sep;
        if (n == 0 || (s[sep] == '.' && n > 1) || (s[sep] == '_' && n > 2))
            return false;
    }
    return false; /* ends with a separator */
}

static bool repository_valid(const char *s)
{
    for (;;) {
        size_t n = strcspn(s, "/");
        if (!component_valid(s, n))
            return false;
        if (s[n] == '\0')
            return true;
        s += n + 1;
    }
}

static bool tag_valid(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > REFERENCE_TAG_MAX || s[0] == '.' || s[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_alnum(s[i]) && !strchr("_.-", s[i]))
            return false;
    return true;
}

static bool host_name_valid(const char *s, size_t len)
{
    size_t start = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && s[i] != '.') {
            if (!is_alnum(s[i]) && s[i] != '-')
                return false;
            continue;
        }
        if (i == start || s[start] == '-' || s[i - 1] == '-')
            return false;
        start = i + 1;
    }
    return true;
}

static bool registry_valid(const char *s)
{
    size_t host = strcspn(s, ":");
    if (s[0] == '[') {
        host = strcspn(s, "]");
        if (s[host] != ']' || host < 3 ||
            strspn(s + 1, "0123456789abcdefABCDEF:.") != host - 1)
            return false;
        host++;
    } else if (!host_name_valid(s, host)) {
        return false;
    }
    if (s[host] == '\0')
        return true;
    int64_t port;
    return s[host] == ':' && str_to_i64(s + host + 1, 1, 65535, &port);
}

/* Is the text before the first '/' a registry and not a repository's first component? */
static bool looks_like_registry(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] == '.' || s[i] == ':' || (s[i] >= 'A' && s[i] <= 'Z'))
            return true;
    return len == 9 && memcmp(s, "localhost", 9) == 0;
}

/* 123456789012.dkr.ecr.eu-west-1.amazonaws.com, with an optional "-fips" after ecr. */
static bool ecr_match(struct arena *a, const char *registry, struct reference *r)
{
    if (strspn(registry, "0123456789") != 12)
        return false;
    const char *p = registry + 12;
    if (str_starts(p, ".dkr.ecr-fips."))
        p += strlen(".dkr.ecr-fips.");
    else if (str_starts(p, ".dkr.ecr."))
        p += strlen(".dkr.ecr.");
    else
        return false;
    size_t n = strcspn(p, ".");
    if (n == 0 || (!streq(p + n, ECR_SUFFIX) && !streq(p + n, ECR_SUFFIX ".cn")))
        return false;
    r->ecr = true;
    r->account = arena_strndup(a, registry, 12);
    r->region = arena_strndup(a, p, n);
    return true;
}

/* Cuts "@digest" and ":tag" off the end of `rest`. */
static int cut_version(struct arena *a, char *rest, struct reference *r,
                       struct error *err)
{
    char *at = strchr(rest, '@');
    if (at) {
        struct blob_digest d;
        *at = '\0';
        if (blob_digest_parse(at + 1, &d, err) < 0)
            return wrap(err, "image digest");
        r->digest = arena_strdup(a, at + 1);
    }
    const char *slash = strrchr(rest, '/');
    char *colon = strchr(slash ? slash : rest, ':');
    if (colon) {
        *colon = '\0';
        if (!tag_valid(colon + 1))
            return fail(
                err, E_INVALID,
                "'%s' is no tag: 1 to 128 of A-Z a-z 0-9 _ . -, the first not . or -",
                colon + 1);
        r->tag = arena_strdup(a, colon + 1);
    }
    if (!r->tag && !r->digest)
        r->tag = "latest";
    return 0;
}

static int set_registry(struct arena *a, const char *name, struct reference *r,
                        const char **ret_repository, struct error *err)
{
    size_t n = strcspn(name, "/");
    *ret_repository = name;
    r->registry = DEFAULT_DOMAIN;
    if (name[n] == '/' && looks_like_registry(name, n)) {
        r->registry = arena_strndup(a, name, n);
        *ret_repository = name + n + 1;
    }
    if (!registry_valid(r->registry))
        return fail(err, E_INVALID, "'%s' is no registry host", r->registry);
    if (streq(r->registry, "index.docker.io") ||
        streq(r->registry, "registry-1.docker.io"))
        r->registry = DEFAULT_DOMAIN;
    return 0;
}

static bool is_bare_id(const char *s)
{
    return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static int parse(struct arena *a, const char *text, struct reference *r,
                 struct error *err)
{
    if (text[0] == '\0')
        return fail(err, E_INVALID, "it is empty");
    if (strlen(text) > REFERENCE_NAME_MAX + REFERENCE_TAG_MAX + BLOB_DIGEST_SIZE)
        return fail(err, E_INVALID, "it is too long");
    char *rest = arena_strdup(a, text);
    const char *repository;
    /* The registry's port has a ':' too, so the name is split before the tag is cut. */
    size_t first = strcspn(rest, "/");
    bool has_registry = rest[first] == '/' && looks_like_registry(rest, first);
    int rc = cut_version(a, has_registry ? rest + first + 1 : rest, r, err);
    if (rc < 0)
        return rc;
    rc = set_registry(a, rest, r, &repository, err);
    if (rc < 0)
        return rc;
    if (!repository_valid(repository))
        return fail(err, E_INVALID,
                    "'%s' is no repository: lower-case letters, digits and single . _ - "
                    "between them, parts separated by /",
                    repository);
    if (is_bare_id(repository))
        return fail(err, E_INVALID, "a repository can't be 64 hexadecimal digits");
    bool library = streq(r->registry, DEFAULT_DOMAIN) && !strchr(repository, '/');
    r->repository = library ? arena_printf(a, "library/%s", repository) : repository;
    if (strlen(r->registry) + 1 + strlen(r->repository) > REFERENCE_NAME_MAX)
        return fail(err, E_INVALID, "registry and repository are longer than %d",
                    REFERENCE_NAME_MAX);
    ecr_match(a, r->registry, r);
    return 0;
}

int reference_parse(struct arena *a, const char *text, struct reference *ret,
                    struct error *err)
{
    struct reference r = {0};
    struct error own;
    err = err ? err : &own;
    if (parse(a, text, &r, err) < 0)
        return wrap(err, "invalid image reference '%.300s'", text);
    *ret = r;
    return 0;
}

void reference_print_name(const struct reference *r, struct str *ret)
{
    str_addf(ret, "%s/%s", r->registry, r->repository);
}

void reference_print(const struct reference *r, struct str *ret)
{
    reference_print_name(r, ret);
    if (r->tag)
        str_addf(ret, ":%s", r->tag);
    if (r->digest)
        str_addf(ret, "@%s", r->digest);
}

const char *reference_manifest(const struct reference *r)
{
    return r->digest ? r->digest : r->tag;
}

bool reference_host_is_loopback(const char *registry)
{
    size_t n = registry[0] == '[' ? strcspn(registry, "]") + 1 : strcspn(registry, ":");
    char host[REFERENCE_NAME_MAX + 1];
    if (n >= sizeof(host))
        return false;
    memcpy(host, registry, n);
    host[n] = '\0';
    if (streq(host, "localhost") || str_ends(host, ".localhost") || streq(host, "[::1]"))
        return true;
    /* 127.evil.example is a name, not an address. */
    return str_starts(host, "127.") && host[strspn(host, "0123456789.")] == '\0';
}

static const char *port_of(const char *authority)
{
    const char *colon = strrchr(authority, ':');
    return colon && !strchr(colon, ']') ? colon + 1 : "80";
}

bool reference_same_machine(const char *registry, const char *authority)
{
    size_t n = strlen(MACHINE_ADDRESS);
    bool machine = strncmp(authority, MACHINE_ADDRESS, n) == 0 &&
                   (authority[n] == ':' || authority[n] == '\0');
    return reference_host_is_loopback(registry) &&
           (machine || reference_host_is_loopback(authority)) &&
           streq(port_of(registry), port_of(authority));
}
