/* SimulatePrincipalPolicy, SimulateCustomPolicy: what would be decided, and by what. Only
 * what the request gives counts as context: nothing is filled in. */
#include <stdlib.h>
#include <strings.h>

#include "iam_entity.h"
#include "iam_reply.h"

#define INPUTS_MAX 50

struct simulation {
    struct call *call;
    struct policy_context base; /* first of what find() casts from: see context_of() */
    const struct iam_context_entry_list *context;
    struct string_list missing; /* keys that were asked for in vain */
    struct iam_entity *entity;  /* NULL: a custom one */
    struct policy_principal principal;
    struct policy_source *identity;
    size_t identity_count;
    struct policy_source boundary, resource;
    const char *resource_account;
    struct policy_set set;
    struct policy *compiled[INPUTS_MAX]; /* of the request, released at the end */
    size_t compiled_count;
};

/* Both requests have these members. */
struct inputs {
    const struct string_list *policies, *boundaries, *actions, *resources;
    const char *resource_policy, *resource_owner, *caller_arn, *handling;
    const struct iam_context_entry_list *context;
};

static void simulation_end(struct simulation *s)
{
    for (size_t i = 0; i < s->compiled_count; i++)
        policy_free(s->compiled[i]);
}

/* ---- context ---- */

/* As the policies write it. */
static const char *key_text(const struct simulation *s, const char *key)
{
    const char *text = NULL;
    for (size_t i = 0; !text && i < s->identity_count; i++)
        text = policy_key_text(s->identity[i].policy, key);
    if (!text && s->set.boundary)
        text = policy_key_text(s->set.boundary->policy, key);
    if (!text && s->set.resource)
        text = policy_key_text(s->set.resource->policy, key);
    return text ? text : key;
}

static void missing_add(struct simulation *s, const char *name)
{
    const char *key = key_text(s, name);
    for (size_t i = 0; i < s->missing.n; i++)
        if (streq(s->missing.v[i], key))
            return;
    *LIST_PUSH(&s->call->arena, &s->missing) = arena_strdup(&s->call->arena, key);
}

static bool is_list_type(enum iam_context_key_type_enum type)
{
    const char *name = wire_enum_name(&iam_context_key_type_enum_shape, (int)type);
    return name && str_ends(name, "List");
}

static bool find(const struct policy_context *base, const char *key,
                 struct policy_values *ret)
{
    struct simulation *s =
        (struct simulation *)(void *)((char *)(uintptr_t)base -
                                      offsetof(struct simulation, base));
    for (size_t i = 0; i < s->context->n; i++) {
        const struct iam_context_entry *e = &s->context->v[i];
        if (!e->context_key_name || strcasecmp(e->context_key_name, key) != 0)
            continue;
        *ret = (struct policy_values){.v = e->context_key_values.v,
                                      .n = e->context_key_values.n,
                                      .multi = is_list_type(e->context_key_type)};
        return true;
    }
    missing_add(s, key);
    return false;
}

/* ---- what decides ---- */

static int compile(struct simulation *s, const char *text, enum policy_kind kind,
                   const char *name, struct policy_source *ret)
{
    struct policy *compiled;
    struct error err;
    if (s->compiled_count == INPUTS_MAX)
        return call_fault(s->call, &iam_invalid_input_exception,
                          "A simulation can have up to %d policies.", INPUTS_MAX);
    if (policy_compile(text, strlen(text), kind, &compiled, &err) < 0)
        return call_fault(s->call, &iam_invalid_input_exception, "%s: %s", name,
                          err.text);
    s->compiled[s->compiled_count++] = compiled;
    *ret = (struct policy_source){compiled, name};
    return 0;
}

static int identity_fill(struct simulation *s, const struct string_list *inputs)
{
    size_t own = 0;
    const struct policy_source *mine =
        s->entity ? iam_policies_of(s->entity, &own) : NULL;
    s->identity = arena_new_array(&s->call->arena, struct policy_source, own + inputs->n);
    for (size_t i = 0; i < own; i++)
        s->identity[i] = mine[i];
    for (size_t i = 0; i < inputs->n; i++)
        if (compile(s, inputs->v[i], POLICY_IDENTITY,
                    call_printf(s->call, "PolicyInputList.%zu", i + 1),
                    &s->identity[own + i]) < 0)
            return -1;
    s->identity_count = own + inputs->n;
    s->set.identity = s->identity;
    s->set.identity_count = s->identity_count;
    return 0;
}

static int boundary_fill(struct simulation *s, const struct string_list *inputs)
{
    if (inputs->n > 1)
        return call_fault(s->call, &iam_invalid_input_exception,
                          "There can be one permissions boundary only.");
    if (inputs->n == 0) {
        s->set.boundary = s->entity ? iam_boundary_of(s->entity) : NULL;
        return 0;
    }
    s->set.boundary = &s->boundary;
    return compile(s, inputs->v[0], POLICY_IDENTITY,
                   "PermissionsBoundaryPolicyInputList.1", &s->boundary);
}

/* ---- who is it ---- */

static int principal_of_entity(struct simulation *s)
{
    struct iam_entity *e = s->entity;
    s->principal = (struct policy_principal){
        .type = PRINCIPAL_USER, .account = e->account->id, .arn = e->arn, .id = e->id};
    if (e->kind != IAM_ROLE)
        return 0;
    s->principal.type = PRINCIPAL_ROLE_SESSION;
    s->principal.role_arn = e->arn;
    s->principal.role_id = e->id;
    s->principal.arn = call_printf(s->call, "arn:aws:sts::%s:assumed-role/%s/simulation",
                                   e->account->id, e->rec->name);
    s->principal.id = call_printf(s->call, "%s:simulation", e->id);
    return 0;
}

/* A user, there or not: its ARN is what the resource's policy is asked with. */
static int principal_given(struct simulation *s, const char *caller_arn)
{
    struct arn arn;
    s->principal = (struct policy_principal){
        .type = PRINCIPAL_USER,
        .account = s->call->who.account_id,
        .arn = call_printf(s->call, "arn:aws:iam::%s:user/simulation",
                           s->call->who.account_id)};
    if (!caller_arn)
        return 0;
    if (!arn_parse(&s->call->arena, caller_arn, &arn) || !streq(arn.service, "iam") ||
        !str_starts(arn.resource, "user/"))
        return call_fault(s->call, &iam_invalid_input_exception,
                          "CallerArn %s is not the ARN of a user.", caller_arn);
    const struct iam_entity *e = iam_entity_by_arn(s->call->core, caller_arn);
    s->principal.account = arn.account;
    s->principal.arn = caller_arn;
    s->principal.id = e ? e->id : NULL;
    return 0;
}

static int resource_fill(struct simulation *s, const struct inputs *in)
{
    struct arn arn;
    const char *owner = in->resource_owner;
    if (in->handling)
        return call_fault(s->call, &iam_invalid_input_exception,
                          "ResourceHandlingOption is not offered by this gantry.");
    if (owner)
        s->resource_account =
            arn_parse(&s->call->arena, owner, &arn) ? arn.account : owner;
    if (!in->resource_policy)
        return 0;
    if (!s->entity && !in->caller_arn)
        return call_fault(s->call, &iam_invalid_input_exception,
                          "CallerArn must be given with a ResourcePolicy.");
    s->set.resource = &s->resource;
    return compile(s, in->resource_policy, POLICY_RESOURCE, "ResourcePolicy",
                   &s->resource);
}

static int simulation_begin(struct simulation *s, const struct inputs *in)
{
    s->base.find = find;
    s->context = in->context;
    int r = s->entity && !in->caller_arn ? principal_of_entity(s)
                                         : principal_given(s, in->caller_arn);
    if (r < 0 || identity_fill(s, in->policies) < 0 ||
        boundary_fill(s, in->boundaries) < 0 || resource_fill(s, in) < 0)
        return -1;
    return 0;
}

/* ---- one question ---- */

static enum iam_policy_source_type source_type(const struct simulation *s,
                                               const struct policy_source *p)
{
    if (p == &s->resource)
        return IAM_POLICY_SOURCE_TYPE_RESOURCE;
    if (str_starts(p->name, "arn:aws:iam::aws:"))
        return IAM_POLICY_SOURCE_TYPE_AWS_MANAGED;
    if (arn_looks_like(p->name))
        return IAM_POLICY_SOURCE_TYPE_USER_MANAGED;
    if (!s->entity || str_starts(p->name, "PolicyInputList.") || p == &s->boundary)
        return IAM_POLICY_SOURCE_TYPE_NONE;
    if (s->entity->kind == IAM_ROLE)
        return IAM_POLICY_SOURCE_TYPE_ROLE;
    /* A user's come first in what it has: the rest are its groups'. */
    size_t index = (size_t)(p - s->identity);
    return s->entity->kind == IAM_USER &&
                   index < s->entity->inline_count + s->entity->attached_count
               ? IAM_POLICY_SOURCE_TYPE_USER
               : IAM_POLICY_SOURCE_TYPE_GROUP;
}

static struct iam_position *position(const struct simulation *s,
                                     const struct policy_position *at)
{
    struct iam_position *ret = arena_new(&s->call->arena, struct iam_position);
    ret->line = SET_INT(at->line);
    ret->column = SET_INT(at->column);
    return ret;
}

/* All statements of the policy that say so. */
static void matched_add(const struct simulation *s, const struct policy_source *p,
                        const struct policy_request *request, enum policy_verdict verdict,
                        struct iam_evaluation_result *ret)
{
    struct policy_position start, end;
    size_t i = p ? policy_next_match(p->policy, request, verdict, 0) : SIZE_MAX;
    for (; i != SIZE_MAX; i = policy_next_match(p->policy, request, verdict, i + 1)) {
        struct iam_statement *x = LIST_PUSH(&s->call->arena, &ret->matched_statements);
        x->source_policy_id = p->name;
        x->source_policy_type = source_type(s, p);
        if (!policy_statement_position(p->policy, i, &start, &end))
            continue;
        x->start_position = position(s, &start);
        x->end_position = position(s, &end);
    }
}

/* The same once more for the resource, as the API has it. */
static void specific_add(const struct simulation *s, struct iam_evaluation_result *ret)
{
    struct iam_resource_specific_result *x =
        LIST_PUSH(&s->call->arena, &ret->resource_specific_results);
    x->eval_resource_name = ret->eval_resource_name;
    x->eval_resource_decision = ret->eval_decision;
    x->matched_statements = ret->matched_statements;
    x->missing_context_values = ret->missing_context_values;
    x->permissions_boundary_decision_detail = ret->permissions_boundary_decision_detail;
}

static void evaluate(struct simulation *s, const char *action, const char *resource,
                     struct iam_evaluation_result *ret)
{
    static const enum iam_policy_evaluation_decision_type words[] = {
        [POLICY_IMPLICIT_DENY] = IAM_POLICY_EVALUATION_DECISION_TYPE_IMPLICIT_DENY,
        [POLICY_EXPLICIT_DENY] = IAM_POLICY_EVALUATION_DECISION_TYPE_EXPLICIT_DENY,
        [POLICY_ALLOW] = IAM_POLICY_EVALUATION_DECISION_TYPE_ALLOWED};
    const struct policy_request request = {.principal = &s->principal,
                                           .action = action,
                                           .resource = resource,
                                           .resource_account = s->resource_account,
                                           .context = &s->base};
    struct policy_decision d;
    s->missing = (struct string_list){.set = true};
    policy_decide(&request, &s->set, &d);
    ret->eval_action_name = action;
    ret->eval_resource_name = resource;
    ret->eval_decision = words[d.verdict];
    ret->matched_statements.set = true;
    for (size_t i = 0; d.verdict != POLICY_IMPLICIT_DENY && i < s->identity_count; i++)
        matched_add(s, &s->identity[i], &request, d.verdict, ret);
    if (d.verdict == POLICY_EXPLICIT_DENY)
        matched_add(s, s->set.boundary, &request, d.verdict, ret);
    if (d.verdict != POLICY_IMPLICIT_DENY)
        matched_add(s, s->set.resource, &request, d.verdict, ret);
    if (s->set.boundary) {
        struct policy_decision within;
        ret->permissions_boundary_decision_detail =
            arena_new(&s->call->arena, struct iam_permissions_boundary_decision_detail);
        ret->permissions_boundary_decision_detail->allowed_by_permissions_boundary =
            SET_BOOL(policy_ask(s->set.boundary, &request, &within) == POLICY_ALLOW);
    }
    ret->missing_context_values = s->missing;
    ret->resource_specific_results.set = true;
    if (!streq(resource, "*"))
        specific_add(s, ret);
}

/* Every action with every resource. */
static int evaluate_all(struct simulation *s, const struct inputs *in, const char *marker,
                        struct opt_int max_items,
                        struct iam_simulate_policy_response *out)
{
    static const char *const any[] = {"*"};
    const char *const *resources = in->resources->n ? in->resources->v : any;
    size_t count = in->resources->n ? in->resources->n : 1;
    struct iam_page page;
    if (iam_page(s->call, marker, max_items, in->actions->n * count, &page) < 0)
        return -1;
    out->evaluation_results.set = true;
    for (size_t i = page.from; i < page.end; i++)
        evaluate(s, in->actions->v[i / count], resources[i % count],
                 LIST_PUSH(&s->call->arena, &out->evaluation_results));
    out->is_truncated = page.is_truncated;
    out->marker = page.marker;
    return 0;
}

/* ---- the operations ---- */

#define INPUTS(in)                                                                       \
    {                                                                                    \
        .policies = &(in)->policy_input_list,                                            \
        .boundaries = &(in)->permissions_boundary_policy_input_list,                     \
        .actions = &(in)->action_names, .resources = &(in)->resource_arns,               \
        .resource_policy = (in)->resource_policy,                                        \
        .resource_owner = (in)->resource_owner, .caller_arn = (in)->caller_arn,          \
        .handling = (in)->resource_handling_option, .context = &(in)->context_entries,   \
    }

int iam_simulate_custom_policy(struct call *c,
                               const struct iam_simulate_custom_policy_request *in,
                               struct iam_simulate_policy_response *out)
{
    struct simulation s = {.call = c};
    const struct inputs inputs = INPUTS(in);
    int r = simulation_begin(&s, &inputs);
    if (r == 0)
        r = evaluate_all(&s, &inputs, in->marker, in->max_items, out);
    simulation_end(&s);
    return r;
}

int iam_simulate_principal_policy(struct call *c,
                                  const struct iam_simulate_principal_policy_request *in,
                                  struct iam_simulate_policy_response *out)
{
    struct simulation s = {.call = c};
    const struct inputs inputs = INPUTS(in);
    s.entity = iam_entity_by_arn(c->core, in->policy_source_arn);
    if (!s.entity || !streq(s.entity->account->id, c->who.account_id))
        return call_fault(c, &iam_no_such_entity_exception,
                          "The user, group or role with ARN %s cannot be found.",
                          in->policy_source_arn);
    int r = simulation_begin(&s, &inputs);
    if (r == 0)
        r = evaluate_all(&s, &inputs, in->marker, in->max_items, out);
    simulation_end(&s);
    return r;
}
