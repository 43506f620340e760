/* Security groups in memory, see security_group.h. */
#include "security_group.h"

#include <stdio.h>
#include <stdlib.h>

#include <uthash.h>

/* Which group has the rule. Ids are random: one table serves all accounts. */
struct security_rule {
    char id[24];
    struct security_group *group;
    UT_hash_handle hh;
};

const char *security_group_id(const struct security_group *g)
{
    return g->rec->group->group_id;
}

/* ---- rules by id ---- */

static void rule_note(struct core *core, struct security_group *g, const char *id)
{
    struct security_rule *x = xcalloc(1, sizeof(*x));
    snprintf(x->id, sizeof(x->id), "%s", id);
    x->group = g;
    HASH_ADD_STR(ec2_of(core)->rules, id, x);
}

static void rule_forget(struct ec2 *ec2, const char *id)
{
    struct security_rule *x;
    HASH_FIND_STR(ec2->rules, id, x);
    if (!x)
        return;
    HASH_DEL(ec2->rules, x);
    free(x);
}

void security_rules_free(struct ec2 *ec2)
{
    struct security_rule *x, *next;
    HASH_ITER (hh, ec2->rules, x, next) {
        HASH_DEL(ec2->rules, x);
        free(x);
    }
}

struct security_group *security_rule_group(struct core *core, const struct ec2_scope *s,
                                           const char *rule_id)
{
    struct security_rule *x;
    HASH_FIND_STR(ec2_of(core)->rules, rule_id, x);
    return x && str_starts(x->group->o.key,
                           ec2_prefix(core_scratch(core), "security-group", s))
               ? x->group
               : NULL;
}

struct ec2_security_group_rule *security_rule_find(const struct security_group *g,
                                                   const char *rule_id)
{
    for (size_t i = 0; i < g->rec->rules.n; i++)
        if (streq(g->rec->rules.v[i].security_group_rule_id, rule_id))
            return &g->rec->rules.v[i];
    return NULL;
}

struct ec2_security_group_rule *
security_rule_add(struct core *core, struct security_group *g,
                  const struct ec2_security_group_rule *rule)
{
    struct arena *a = &g->o.arena;
    struct ec2_scope s = ec2_owner(core_scratch(core), &g->o);
    struct ec2_security_group_rule *r = LIST_PUSH(a, &g->rec->rules);
    wire_copy_into(a, &ec2_security_group_rule_shape, rule, r);
    r->security_group_rule_id = ec2_new_id(core, a, "sgr");
    r->security_group_rule_arn =
        ec2_arn(a, &s, "security-group-rule", r->security_group_rule_id);
    r->group_id = g->rec->group->group_id;
    r->group_owner_id = g->rec->group->owner_id;
    r->tags.set = true;
    rule_note(core, g, r->security_group_rule_id);
    return r;
}

void security_rule_remove(struct core *core, struct security_group *g,
                          const char *rule_id)
{
    struct ec2_security_group_rule_list *l = &g->rec->rules;
    struct ec2_security_group_rule *r = security_rule_find(g, rule_id);
    if (!r)
        return;
    rule_forget(ec2_of(core), rule_id);
    memmove(r, r + 1, (size_t)(&l->v[l->n] - (r + 1)) * sizeof(*r));
    l->n--;
}

/* ---- groups ---- */

static int group_loaded(struct core *core, struct object *o, struct error *err)
{
    struct security_group *g = (struct security_group *)o;
    struct ec2_scope s = ec2_owner(core_scratch(core), o);
    list_init(&g->link);
    g->vpc = g->rec->group ? vpc_find(core, &s, g->rec->group->vpc_id) : NULL;
    if (!g->vpc)
        return fail(err, E_CORRUPT, "security group without a VPC");
    list_append(&g->vpc->groups, &g->link);
    for (size_t i = 0; i < g->rec->rules.n; i++)
        rule_note(core, g, g->rec->rules.v[i].security_group_rule_id);
    return 0;
}

static void group_unlink(struct core *core, struct object *o)
{
    struct security_group *g = (struct security_group *)o;
    list_remove(&g->link);
    for (size_t i = 0; i < g->rec->rules.n; i++)
        rule_forget(ec2_of(core), g->rec->rules.v[i].security_group_rule_id);
}

const struct table_type security_group_table = {
    .prefix = "/ec2/security-group/",
    .shape = &gantry_security_group_record_shape,
    .object_size = sizeof(struct security_group),
    .record_offset = offsetof(struct security_group, rec),
    .loaded = group_loaded,
    .unlink = group_unlink,
};

struct security_group *security_group_find(struct core *core, const struct ec2_scope *s,
                                           const char *id)
{
    return id ? table_find(ec2_of(core)->groups,
                           ec2_key(core_scratch(core), "security-group", s, id))
              : NULL;
}

struct security_group *security_group_require(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    struct security_group *g = security_group_find(c->core, &s, id);
    if (!g)
        ec2_fault(c, "InvalidGroup.NotFound", "The security group '%s' does not exist",
                  id ? id : "");
    return g;
}

struct security_group *security_group_named(const struct vpc *v, const char *name)
{
    list_for_each (it, &v->groups) {
        struct security_group *g = list_entry(it, struct security_group, link);
        if (streq(g->rec->group->group_name, name))
            return g;
    }
    return NULL;
}

struct security_group *security_group_default(const struct vpc *v)
{
    return security_group_named(v, "default");
}

static bool names(const struct security_group *by, const char *id)
{
    for (size_t i = 0; i < by->rec->rules.n; i++) {
        const struct ec2_referenced_security_group *r =
            by->rec->rules.v[i].referenced_group_info;
        if (r && streq(r->group_id, id))
            return true;
    }
    return false;
}

bool security_group_referenced(const struct security_group *g)
{
    list_for_each (it, &g->vpc->groups) {
        const struct security_group *by = list_entry(it, struct security_group, link);
        if (by != g && names(by, security_group_id(g)))
            return true;
    }
    return false;
}

void security_group_delete(struct core *core, struct security_group *g)
{
    vpc_changed(core, g->vpc);
    object_delete(core, &g->o);
}

static struct ec2_security_group_rule everything(bool egress)
{
    return (struct ec2_security_group_rule){
        .is_egress = SET_BOOL(egress),
        .ip_protocol = "-1",
        .from_port = SET_INT(-1),
        .to_port = SET_INT(-1),
    };
}

static void allow_all(struct core *core, struct security_group *g, bool egress)
{
    struct ec2_security_group_rule all = everything(egress);
    all.cidr_ipv4 = "0.0.0.0/0";
    security_rule_add(core, g, &all);
}

static void allow_itself(struct core *core, struct security_group *g)
{
    struct ec2_security_group_rule in = everything(false);
    struct ec2_referenced_security_group self = {
        .group_id = g->rec->group->group_id,
        .user_id = g->rec->group->owner_id,
    };
    in.referenced_group_info = &self;
    security_rule_add(core, g, &in);
}

struct security_group *security_group_new(struct core *core, struct vpc *v,
                                          const char *name, const char *description)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), &v->o);
    const char *id = ec2_new_id(core, core_scratch(core), "sg");
    struct security_group *g =
        object_new(core, ec2_of(core)->groups,
                   ec2_key(core_scratch(core), "security-group", &s, id));
    struct arena *a = &g->o.arena;
    struct ec2_security_group *rec = g->rec->group =
        arena_new(a, struct ec2_security_group);
    list_init(&g->link);
    g->vpc = v;
    list_append(&v->groups, &g->link);
    rec->group_id = arena_strdup(a, id);
    rec->security_group_arn = ec2_arn(a, &s, "security-group", id);
    rec->vpc_id = arena_strdup(a, vpc_id(v));
    rec->owner_id = arena_strdup(a, s.account);
    rec->group_name = arena_strdup(a, name);
    rec->description = arena_strdup(a, description);
    rec->tags.set = true;
    allow_all(core, g, true);
    if (streq(name, "default"))
        allow_itself(core, g);
    object_save(core, &g->o);
    vpc_changed(core, v);
    return g;
}

void security_group_allow_all(struct core *core, struct security_group *g)
{
    allow_all(core, g, false);
    object_save(core, &g->o);
    vpc_changed(core, g->vpc);
}

void security_group_edge(const struct security_group *g, struct arena *a,
                         struct gantry_edge_security_group *ret)
{
    ret->group_id = security_group_id(g);
    for (size_t i = 0; i < g->rec->rules.n; i++) {
        const struct ec2_security_group_rule *r = &g->rec->rules.v[i];
        if (!r->cidr_ipv4 && !r->referenced_group_info)
            continue; /* IPv6 */
        struct gantry_edge_rule *to =
            LIST_PUSH(a, r->is_egress.v ? &ret->egress : &ret->ingress);
        to->ip_protocol = r->ip_protocol;
        to->from_port = r->from_port;
        to->to_port = r->to_port;
        to->cidr_ipv4 = r->cidr_ipv4;
        if (r->referenced_group_info)
            to->referenced_group_id = r->referenced_group_info->group_id;
    }
}

const char *ec2_group_default(struct core *core, const struct ec2_scope *s,
                              const char *vpc_id)
{
    struct vpc *v = vpc_find(core, s, vpc_id);
    return v ? security_group_id(security_group_default(v)) : NULL;
}

int ec2_groups_check(struct core *core, const struct ec2_scope *s, const char *vpc_id,
                     const struct string_list *ids, const char **ret_bad,
                     struct error *err)
{
    for (size_t i = 0; i < ids->n; i++) {
        const struct security_group *g = security_group_find(core, s, ids->v[i]);
        if (g && streq(g->rec->group->vpc_id, vpc_id))
            continue;
        *ret_bad = ids->v[i];
        return fail(err, E_NOTFOUND, "The security group '%s' does not exist%s%s",
                    ids->v[i], g ? " in VPC " : "", g ? vpc_id : "");
    }
    return 0;
}
