/* Condition operators; see policy_private.h. Rules: "IAM JSON policy elements: Condition
 * operators". A key that the request lacks: positive operators are false, negated ones true,
 * with IfExists both are true; ForAllValues is true, ForAnyValue false. A key with several
 * values needs a set operator. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "clock.h"
#include "decimal.h"
#include "policy_private.h"
#include "str.h"

static const struct condition_operator operators[] = {
    {"stringequals", OP_STRING_EQUALS, CMP_EQ, false},
    {"stringnotequals", OP_STRING_EQUALS, CMP_EQ, true},
    {"stringequalsignorecase", OP_STRING_EQUALS_NO_CASE, CMP_EQ, false},
    {"stringnotequalsignorecase", OP_STRING_EQUALS_NO_CASE, CMP_EQ, true},
    {"stringlike", OP_STRING_LIKE, CMP_EQ, false},
    {"stringnotlike", OP_STRING_LIKE, CMP_EQ, true},
    {"numericequals", OP_NUMBER, CMP_EQ, false},
    {"numericnotequals", OP_NUMBER, CMP_EQ, true},
    {"numericlessthan", OP_NUMBER, CMP_LT, false},
    {"numericlessthanequals", OP_NUMBER, CMP_LE, false},
    {"numericgreaterthan", OP_NUMBER, CMP_GT, false},
    {"numericgreaterthanequals", OP_NUMBER, CMP_GE, false},
    {"dateequals", OP_DATE, CMP_EQ, false},
    {"datenotequals", OP_DATE, CMP_EQ, true},
    {"datelessthan", OP_DATE, CMP_LT, false},
    {"datelessthanequals", OP_DATE, CMP_LE, false},
    {"dategreaterthan", OP_DATE, CMP_GT, false},
    {"dategreaterthanequals", OP_DATE, CMP_GE, false},
    {"bool", OP_BOOL, CMP_EQ, false},
    {"binaryequals", OP_BINARY, CMP_EQ, false},
    {"ipaddress", OP_IP, CMP_EQ, false},
    {"notipaddress", OP_IP, CMP_EQ, true},
    {"arnequals", OP_ARN, CMP_EQ, false},
    {"arnlike", OP_ARN, CMP_EQ, false},
    {"arnnotequals", OP_ARN, CMP_EQ, true},
    {"arnnotlike", OP_ARN, CMP_EQ, true},
    {"null", OP_NULL, CMP_EQ, false},
};

const struct condition_operator *condition_operator_find(const char *name)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
        if (streq(operators[i].name, name))
            return &operators[i];
    return NULL;
}

/* ---- dates, addresses, ARNs ---- */

/* ISO 8601, or seconds since 1970. */
static bool date_read(const char *text, int64_t *ret_ms)
{
    int64_t seconds;
    if (str_to_i64(text, INT64_MIN / 1000, INT64_MAX / 1000, &seconds)) {
        *ret_ms = seconds * 1000;
        return true;
    }
    char day[32];
    size_t n = strlen(text);
    if (n == 10) { /* a day alone is its beginning */
        memcpy(day, text, n);
        memcpy(day + n, "T00:00:00Z", sizeof("T00:00:00Z"));
        text = day;
    }
    return clock_parse_iso(text, ret_ms);
}

struct network {
    int family;
    unsigned bits;
    uint8_t address[16];
};

static bool network_read(const char *text, struct network *ret)
{
    char address[INET6_ADDRSTRLEN];
    size_t n = strcspn(text, "/");
    int64_t bits;
    if (n >= sizeof(address))
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    ret->family = strchr(address, ':') ? AF_INET6 : AF_INET;
    int64_t max = ret->family == AF_INET6 ? 128 : 32;
    if (inet_pton(ret->family, address, ret->address) != 1)
        return false;
    if (!text[n])
        bits = max;
    else if (!str_to_i64(text + n + 1, 0, max, &bits))
        return false;
    ret->bits = (unsigned)bits;
    return true;
}

static bool network_has(const struct network *net, const struct network *one)
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (net->family != one->family || memcmp(net->address, one->address, whole) != 0)
        return false;
    unsigned mask = 0xff00u >> rest & 0xffu;
    return rest == 0 || ((net->address[whole] ^ one->address[whole]) & mask) == 0;
}

/* The end of the part at `p`: the next colon, or for the sixth the end. */
static const char *part_end(const char *p, int part)
{
    const char *colon = part < 5 ? strchr(p, ':') : NULL;
    return colon ? colon : p + strlen(p);
}

/* Part by part, so that a '*' never reaches over a colon into the next of the first five. */
static bool arn_matches(const char *pattern, const char *text)
{
    if (pattern[0] == GLOB_MANY && !pattern[1])
        return true;
    for (int part = 0; part < 6; part++) {
        const char *p_end = part_end(pattern, part), *t_end = part_end(text, part);
        if (!glob_match_part(pattern, p_end, text, t_end) || !*p_end != !*t_end)
            return false;
        if (!*p_end)
            return part == 5;
        pattern = p_end + 1;
        text = t_end + 1;
    }
    return true;
}

/* ---- one value against one ---- */

static bool compares(enum comparison c, int order)
{
    switch (c) {
    case CMP_EQ:
        return order == 0;
    case CMP_LT:
        return order < 0;
    case CMP_LE:
        return order <= 0;
    case CMP_GT:
        return order > 0;
    case CMP_GE:
        return order >= 0;
    }
    return false;
}

static bool number_holds(enum comparison c, const char *want, const char *have)
{
    int order;
    return decimal_compare(have, want, &order) && compares(c, order);
}

static bool date_holds(enum comparison c, const char *want, const char *have)
{
    int64_t a, b;
    return date_read(have, &a) && date_read(want, &b) && compares(c, (a > b) - (a < b));
}

static bool ip_holds(const char *want, const char *have)
{
    struct network net, one;
    return network_read(want, &net) && network_read(have, &one) &&
           network_has(&net, &one);
}

static bool value_holds(const struct condition_operator *op, const char *want,
                        const char *have)
{
    switch (op->kind) {
    case OP_STRING_EQUALS:
    case OP_BINARY:
        return streq(want, have);
    case OP_STRING_EQUALS_NO_CASE:
    case OP_BOOL:
        return strcasecmp(want, have) == 0;
    case OP_STRING_LIKE:
        return glob_match(want, have);
    case OP_NUMBER:
        return number_holds(op->comparison, want, have);
    case OP_DATE:
        return date_holds(op->comparison, want, have);
    case OP_IP:
        return ip_holds(want, have);
    case OP_ARN:
        return arn_matches(want, have);
    case OP_NULL:
        break;
    }
    return false;
}

bool condition_value_valid(enum operator_kind kind, const char *text)
{
    int order;
    int64_t ms;
    struct network net;
    switch (kind) {
    case OP_NUMBER:
        return decimal_compare(text, "0", &order);
    case OP_DATE:
        return date_read(text, &ms);
    case OP_IP:
        return network_read(text, &net);
    case OP_BOOL:
    case OP_NULL:
        return strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0;
    default:
        return true;
    }
}

/* ---- a condition ---- */

/* Is the request's value among the condition's? Not yet negated. */
static bool is_among(const struct condition *c, const struct policy_context *context,
                     const char *have)
{
    char buf[GLOB_MAX];
    for (size_t i = 0; i < c->value_count; i++) {
        const char *want = glob_text(&c->values[i], context, buf);
        if (want && value_holds(c->op, want, have))
            return true;
    }
    return false;
}

/* What is no number or date at all fulfils no condition about them, nor its negation. */
static bool is_comparable(enum operator_kind kind, const char *have)
{
    return (kind != OP_NUMBER && kind != OP_DATE) || condition_value_valid(kind, have);
}

static bool value_passes(const struct condition *c, const struct policy_context *context,
                         const char *have)
{
    return is_comparable(c->op->kind, have) &&
           is_among(c, context, have) != c->op->negated;
}

static bool set_holds(const struct condition *c, const struct policy_context *context,
                      const struct policy_values *have)
{
    for (size_t i = 0; i < have->n; i++) {
        bool holds = value_passes(c, context, have->v[i]);
        if (holds != (c->set == SET_ALL))
            return holds;
    }
    return c->set == SET_ALL;
}

static bool null_holds(const struct condition *c, bool there)
{
    for (size_t i = 0; i < c->value_count; i++)
        if ((strcasecmp(c->values[i].text, "true") == 0) == !there)
            return true;
    return false;
}

static bool condition_holds(const struct condition *c,
                            const struct policy_context *context)
{
    struct policy_values have = {0};
    bool there = context && context->find(context, c->key, &have) && have.n > 0;
    if (c->op->kind == OP_NULL)
        return null_holds(c, there);
    if (c->set)
        return set_holds(c, context, &have);
    if (!there)
        return c->if_exists || c->op->negated;
    if (have.n > 1 || have.multi)
        return false;
    return value_passes(c, context, have.v[0]);
}

bool conditions_hold(const struct statement *s, const struct policy_context *context)
{
    for (size_t i = 0; i < s->condition_count; i++)
        if (!condition_holds(&s->conditions[i], context))
            return false;
    return true;
}
