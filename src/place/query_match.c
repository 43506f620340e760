/* Asks a compiled query about one instance. */
#include <string.h>

#include "query_program.h"
#include "str.h"

static bool in_order(enum query_operator op, int cmp)
{
    switch (op) {
    case OP_EQUAL:
        return cmp == 0;
    case OP_GREATER:
        return cmp > 0;
    case OP_GREATER_EQUAL:
        return cmp >= 0;
    case OP_LESS:
        return cmp < 0;
    case OP_LESS_EQUAL:
        return cmp <= 0;
    default:
        return false;
    }
}

static int compare_numbers(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* Numbers by value, everything else by bytes. */
static int compare_texts(const char *a, const char *b)
{
    int64_t x, y;
    if (str_to_i64(a, INT64_MIN, INT64_MAX, &x) &&
        str_to_i64(b, INT64_MIN, INT64_MAX, &y))
        return compare_numbers(x, y);
    return strcmp(a, b);
}

static bool text_holds(const struct query_term *t, const char *value)
{
    switch (t->op) {
    case OP_EXISTS:
        return true;
    case OP_EQUAL:
        return strcmp(value, t->args[0]) == 0;
    case OP_IN:
        for (size_t k = 0; k < t->arg_count; k++)
            if (strcmp(value, t->args[k]) == 0)
                return true;
        return false;
    case OP_MATCHES:
        return regexec(t->regex, value, 0, NULL, 0) == 0;
    default:
        return in_order(t->op, compare_texts(value, t->args[0]));
    }
}

static bool maybe_text_holds(const struct query_term *t, const char *value)
{
    return value && text_holds(t, value);
}

static bool version_holds(const struct query_term *t, const char *value)
{
    int64_t version;
    if (!value)
        return false;
    if (t->op == OP_EXISTS || t->op == OP_IN || t->op == OP_MATCHES)
        return text_holds(t, value);
    return query_version(value, &version) &&
           in_order(t->op, compare_numbers(version, t->number));
}

static bool visit_group(void *arg, const char *group)
{
    return text_holds(arg, group);
}

static bool some_group_holds(const struct query_term *t, const struct query_subject *s)
{
    struct query_term copy = *t; /* the visitor takes no const */
    return s->any_group && s->any_group(s->ctx, visit_group, &copy);
}

static bool holds(const struct query_term *t, const struct query_subject *s)
{
    switch (t->subject) {
    case SUBJECT_ATTRIBUTE:
        return maybe_text_holds(t, s->attribute(s->ctx, t->attribute));
    case SUBJECT_AGENT_CONNECTED:
        return s->agent_connected == (t->number != 0);
    case SUBJECT_AGENT_VERSION:
        return version_holds(t, s->agent_version);
    case SUBJECT_EC2_INSTANCE_ID:
        return maybe_text_holds(t, s->ec2_instance_id);
    case SUBJECT_REGISTERED_AT:
        return in_order(t->op, compare_numbers(s->registered_at_ms, t->number));
    case SUBJECT_RUNNING_TASKS:
        return in_order(t->op, compare_numbers(s->running_tasks, t->number));
    case SUBJECT_TASK_GROUP:
        return some_group_holds(t, s);
    }
    return false;
}

static bool node_matches(const struct query_node *n, const struct query_subject *s)
{
    switch (n->kind) {
    case QUERY_AND:
        return node_matches(n->left, s) && node_matches(n->right, s);
    case QUERY_OR:
        return node_matches(n->left, s) || node_matches(n->right, s);
    case QUERY_NOT:
        return !node_matches(n->left, s);
    case QUERY_TERM:
        return holds(&n->term, s) != n->term.negated;
    }
    return false;
}

bool query_matches(const struct query *q, const struct query_subject *subject)
{
    return node_matches(q->root, subject);
}
