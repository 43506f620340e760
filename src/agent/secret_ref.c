#include "secret_ref.h"

#include <jansson.h>
#include <stdlib.h>

/* ---- names ---- */

#define PARTS_MAX 12

static size_t split(struct arena *a, const char *text, const char *ret[PARTS_MAX])
{
    size_t n = 0;
    for (const char *p = text;;) {
        size_t len = strcspn(p, ":");
        if (n == PARTS_MAX)
            return n + 1;
        ret[n++] = arena_strndup(a, p, len);
        if (!p[len])
            return n;
        p += len + 1;
    }
}

static const char *given(const char *s)
{
    return str_empty(s) ? NULL : s;
}

static int parse_asm(struct arena *a, const char *const *part, size_t n,
                     struct secret_ref *ret, struct error *err)
{
    if ((n != 7 && n != 10) || !streq(part[5], "secret") || str_empty(part[6]))
        return fail(err, E_INVALID,
                    "unexpected ARN format with parameters when trying to retrieve ASM "
                    "secret: %s",
                    ret->value_from);
    ret->store = SECRET_ASM;
    ret->id = arena_printf(a, "%s:%s:%s:%s:%s:%s:%s", part[0], part[1], part[2], part[3],
                           part[4], part[5], part[6]);
    if (n == 10) {
        ret->json_key = given(part[7]);
        ret->version_stage = given(part[8]);
        ret->version_id = given(part[9]);
    }
    return 0;
}

/* parameter/name is "name", parameter/path/name is "/path/name". */
static int parse_ssm(const char *const *part, size_t n, struct secret_ref *ret,
                     struct error *err)
{
    const char *name = n == 6 && str_starts(part[5], "parameter/") ? part[5] + 9 : NULL;
    if (!name || !name[1])
        return fail(err, E_INVALID, "unexpected ARN of an SSM parameter: %s",
                    ret->value_from);
    ret->store = SECRET_SSM;
    ret->id = strchr(name + 1, '/') ? name : name + 1;
    return 0;
}

int secret_ref_parse(struct arena *a, const char *value_from, struct secret_ref *ret,
                     struct error *err)
{
    const char *part[PARTS_MAX];
    if (str_empty(value_from))
        return fail(err, E_INVALID, "a secret without valueFrom");
    struct secret_ref ref = {.value_from = value_from, .store = SECRET_SSM};
    size_t n = split(a, value_from, part);
    int r = 0;
    if (n < 4 || !streq(part[0], "arn"))
        ref.id = value_from;
    else if (streq(part[2], "secretsmanager"))
        r = parse_asm(a, part, n, &ref, err);
    else if (streq(part[2], "ssm"))
        r = parse_ssm(part, n, &ref, err);
    else
        r = fail(err, E_INVALID, "'%s' is neither a secret nor a parameter", value_from);
    if (r < 0)
        return r;
    *ret = ref;
    return 0;
}

static void encode_path(const char *text, struct str *ret)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr("-_.~/", *p);
        if (plain)
            str_addc(ret, (char)*p);
        else
            str_addf(ret, "%%%02X", *p);
    }
}

int secret_ref_file(struct arena *a, const char *arn, struct secret_ref *ret,
                    struct error *err)
{
    const char *object = arn ? strstr(arn, ":s3:::") : NULL;
    const char *slash = object ? strchr(object, '/') : NULL;
    if (!object || !str_starts(arn, "arn:") || !slash || slash == object + 6 || !slash[1])
        return fail(err, E_INVALID, "unable to parse the ARN of an environment file: %s",
                    arn ? arn : "");
    AUTO_STR path = STR_INIT;
    str_addc(&path, '/');
    encode_path(object + 6, &path);
    *ret = (struct secret_ref){
        .store = SECRET_S3, .id = arena_strdup(a, path.data), .value_from = arn};
    return 0;
}

bool secret_ref_same(const struct secret_ref *a, const struct secret_ref *b)
{
    return a->store == b->store && streq(a->id, b->id) &&
           streq(a->version_stage, b->version_stage) &&
           streq(a->version_id, b->version_id);
}

/* ---- asking ---- */

const char *secret_service(const struct secret_ref *ref)
{
    static const char *const names[] = {
        [SECRET_ASM] = "secretsmanager", [SECRET_SSM] = "ssm", [SECRET_S3] = "s3"};
    return names[ref->store];
}

const char *secret_target(const struct secret_ref *ref)
{
    return ref->store == SECRET_ASM ? "secretsmanager.GetSecretValue"
                                    : "AmazonSSM.GetParameters";
}

const char *secret_request(struct arena *a, const struct secret_ref *ref)
{
    json_t *body;
    if (ref->store == SECRET_ASM) {
        body = json_pack("{s:s}", "SecretId", ref->id);
        if (ref->version_stage)
            json_object_set_new(body, "VersionStage", json_string(ref->version_stage));
        if (ref->version_id)
            json_object_set_new(body, "VersionId", json_string(ref->version_id));
    } else {
        body = json_pack("{s:[s],s:b}", "Names", ref->id, "WithDecryption", 1);
    }
    char *text = json_dumps(body, JSON_COMPACT);
    const char *copy = arena_strdup(a, text ? text : "{}");
    free(text);
    json_decref(body);
    return copy;
}

/* ---- answers ---- */

static const char *text_of(struct arena *a, const json_t *v)
{
    if (json_is_string(v))
        return arena_strdup(a, json_string_value(v));
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *copy = text ? arena_strdup(a, text) : NULL;
    free(text);
    return copy;
}

static int take_key(struct arena *a, const struct secret_ref *ref, const char *secret,
                    const char **ret, struct error *err)
{
    json_t *root = json_loads(secret, 0, NULL);
    const json_t *v = json_object_get(root, ref->json_key);
    int r = 0;
    if (!json_is_object(root))
        r = fail(err, E_INVALID, "unable to parse ASM secret value as JSON: %s", ref->id);
    else if (!v)
        r = fail(err, E_NOTFOUND,
                 "retrieved secret from Secrets Manager did not contain json key %s",
                 ref->json_key);
    else
        *ret = text_of(a, v);
    json_decref(root);
    return r;
}

static int take_asm(struct arena *a, const struct secret_ref *ref, const json_t *answer,
                    const char **ret, struct error *err)
{
    const char *secret = json_string_value(json_object_get(answer, "SecretString"));
    if (!secret)
        return fail(err, E_NOTFOUND, "secret %s has no text", ref->id);
    if (ref->json_key)
        return take_key(a, ref, secret, ret, err);
    *ret = arena_strdup(a, secret);
    return 0;
}

static int take_ssm(struct arena *a, const struct secret_ref *ref, const json_t *answer,
                    const char **ret, struct error *err)
{
    const json_t *first = json_array_get(json_object_get(answer, "Parameters"), 0);
    const char *value = json_string_value(json_object_get(first, "Value"));
    if (!value)
        return fail(err, E_NOTFOUND, "invalid ssm parameters: %s", ref->id);
    *ret = arena_strdup(a, value);
    return 0;
}

int secret_take(struct arena *a, const struct secret_ref *ref, const char *body,
                size_t len, const char **ret, struct error *err)
{
    json_t *answer = json_loadb(body, len, 0, NULL);
    int r;
    if (!json_is_object(answer))
        r = fail(err, E_PROTOCOL, "the answer about %s is not JSON", ref->id);
    else if (ref->store == SECRET_ASM)
        r = take_asm(a, ref, answer, ret, err);
    else
        r = take_ssm(a, ref, answer, ret, err);
    json_decref(answer);
    return r;
}

static const char *member(const json_t *o, const char *a, const char *b)
{
    const char *v = json_string_value(json_object_get(o, a));
    return v ? v : json_string_value(json_object_get(o, b));
}

/* <Name>text</Name> of an XML error. */
static bool add_element(const char *body, const char *name, struct str *ret)
{
    AUTO_STR open = STR_INIT;
    str_addf(&open, "<%s>", name);
    const char *p = strstr(body, open.data);
    if (!p)
        return false;
    p += open.len;
    str_addn(ret, p, strcspn(p, "<"));
    return true;
}

void secret_complaint(int status, const char *body, struct str *ret)
{
    json_t *o = json_loads(body, 0, NULL);
    const char *type = member(o, "__type", "code");
    const char *message = member(o, "message", "Message");
    const char *hash = type ? strchr(type, '#') : NULL;
    if (type)
        str_addf(ret, "%s: %s", hash ? hash + 1 : type, message ? message : "");
    else if (!add_element(body, "Code", ret))
        str_addf(ret, "HTTP status %d", status);
    else {
        str_add(ret, ": ");
        add_element(body, "Message", ret);
    }
    json_decref(o);
}

int registry_secret_take(struct arena *a, const char *text, const char **ret_user,
                         const char **ret_password, struct error *err)
{
    json_t *o = json_loads(text, 0, NULL);
    const char *user = json_string_value(json_object_get(o, "username"));
    const char *password = json_string_value(json_object_get(o, "password"));
    int r = 0;
    if (str_empty(user) || str_empty(password)) {
        r = fail(err, E_INVALID,
                 "the secret of repositoryCredentials must be JSON with username and "
                 "password");
    } else {
        *ret_user = arena_strdup(a, user);
        *ret_password = arena_strdup(a, password);
    }
    json_decref(o);
    return r;
}

/* ---- environment files ---- */

static bool has_name(const struct env_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i].name, name))
            return true;
    return false;
}

static void push(struct arena *a, struct env_list *l, const char *name, const char *value)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 32;
        struct spec_pair *v = arena_new_array(a, struct spec_pair, cap);
        for (size_t i = 0; i < l->n; i++)
            v[i] = l->v[i];
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = (struct spec_pair){name, value};
}

int env_file_parse(struct arena *a, const char *text, size_t len, struct env_list *ret,
                   struct error *err)
{
    size_t lines = 0;
    if (memchr(text, '\0', len) || !utf8_valid(text, len))
        return fail(err, E_INVALID, "an environment file that is not text");
    for (const char *p = text, *end = text + len; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((stop ? stop : end) - p);
        const char *next = p + n + (stop != NULL);
        if (++lines > ENV_FILE_LINES_MAX)
            return fail(err, E_LIMIT, "an environment file of more than %d lines",
                        ENV_FILE_LINES_MAX);
        if (n > 0 && p[n - 1] == '\r')
            n--;
        const char *equals = memchr(p, '=', n);
        if (n > 0 && *p != '#' && equals && equals > p && equals + 1 < p + n) {
            const char *name = arena_strndup(a, p, (size_t)(equals - p));
            if (!has_name(ret, name))
                push(a, ret, name,
                     arena_strndup(a, equals + 1, (size_t)(p + n - equals - 1)));
        }
        p = next;
    }
    return 0;
}
