/* policy_fuzz.c: policy documents from outside: parsed, compiled, decided with. Input: a
 * byte for the kind, an action, a newline, a resource, a newline, a value of every condition
 * key, a newline, the document. What compiles must decide, and what decides must be
 * a statement with that effect. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "policy.h"
#include "str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct given {
    struct policy_context base; /* first */
    const char *value;
};

/* Every key is there but those that end in "x". */
static bool find(const struct policy_context *base, const char *key,
                 struct policy_values *ret)
{
    const struct given *g = (const void *)base;
    *ret = (struct policy_values){&g->value, 1, str_ends(key, "s")};
    return !str_ends(key, "x");
}

static void check(const struct policy *p, const struct policy_decision *d)
{
    if (d->verdict == POLICY_IMPLICIT_DENY || d->reason == POLICY_BY_ROOT)
        return;
    assert(d->source && d->source->policy == p);
    const char *text = policy_statement_text(p, d->statement);
    assert(text && strstr(text, d->verdict == POLICY_ALLOW ? "Allow" : "Deny"));
}

static void decide(const struct policy *p, enum policy_kind kind, const char *action,
                   const char *resource, const char *value)
{
    static const struct policy_principal who[] = {
        {.type = PRINCIPAL_ANONYMOUS},
        {.type = PRINCIPAL_ROLE_SESSION,
         .account = "111122223333",
         .arn = "arn:aws:sts::111122223333:assumed-role/web/one",
         .role_arn = "arn:aws:iam::111122223333:role/web",
         .role_id = "AROAWEB"},
        {.type = PRINCIPAL_ROOT,
         .account = "111122223333",
         .arn = "arn:aws:iam::111122223333:root"},
    };
    const struct given g = {{find}, value};
    const struct policy_source source = {p, "p"};
    const struct policy_set set = {
        .identity = &source,
        .identity_count = kind == POLICY_IDENTITY,
        .boundary = kind == POLICY_IDENTITY ? &source : NULL,
        .resource = kind == POLICY_IDENTITY ? NULL : &source,
    };
    for (size_t i = 0; i < sizeof(who) / sizeof(who[0]); i++)
        for (int anywhere = 0; anywhere < 2; anywhere++) {
            const struct policy_request r = {.principal = &who[i],
                                             .action = action,
                                             .resource = resource,
                                             .context = &g.base,
                                             .anywhere = anywhere};
            struct policy_decision d;
            AUTO_STR why = STR_INIT;
            policy_decide(&r, &set, &d);
            check(p, &d);
            policy_reason_add(&why, &d, action);
            policy_ask(&source, &r, &d);
            check(p, &d);
        }
}

/* One behind the other, each in the text. */
static void check_positions(const struct policy *p)
{
    struct policy_position start, end, last = {1, 1};
    for (size_t i = 0; policy_statement_position(p, i, &start, &end); i++) {
        assert(start.line > last.line ||
               (start.line == last.line && start.column > last.column));
        assert(end.line > start.line ||
               (end.line == start.line && end.column > start.column));
        last = end;
    }
}

static char *line(char **rest)
{
    char *text = *rest, *end = strchr(text, '\n');
    if (end)
        *end++ = '\0';
    *rest = end ? end : text + strlen(text);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    AUTO_ARENA a = ARENA_INIT;
    enum policy_kind kind = data[0] % 3;
    char *rest = arena_strndup(&a, (const char *)data + 1, size - 1);
    const char *action = line(&rest), *resource = line(&rest), *value = line(&rest);
    /* A block of its own size, without the NUL. */
    size_t n = strlen(rest);
    char *document = malloc(n ? n : 1);
    memcpy(document, rest, n);
    struct error err = ERROR_INIT;
    struct policy *p = NULL;
    int r = policy_compile(document, n, kind, &p, &err);
    free(document);
    if (r < 0) {
        assert(err.text[0] && !p);
        return 0;
    }
    for (size_t i = 0; policy_principal_arn(p, i); i++)
        assert(kind != POLICY_IDENTITY);
    check_positions(p);
    decide(p, kind, action, resource, value);
    policy_free(p);
    return 0;
}
