/* Security groups in memory, see security_group.h. */
#include "security_group.h"

const char *security_group_id(const struct security_group *g)
{
    return g->rec->group->group_id;
}

static int group_loaded(struct core *core, struct object *o, struct error *err)
{
    struct security_group *g = (struct security_group *)o;
    struct ec2_scope s = ec2_owner(core_scratch(core), o);
    list_init(&g->link);
    g->vpc = g->rec->group ? vpc_find(core, &s, g->rec->group->vpc_id) : NULL;
    if (!g->vpc)
        return fail(err, E_CORRUPT, "security group without a VPC");
    list_append(&g->vpc->groups, &g->link);
    return 0;
}

static void group_unlink(struct core *core, struct object *o)
{
    list_remove(&((struct security_group *)o)->link);
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

struct security_group *security_group_default(const struct vpc *v)
{
    list_for_each (it, &v->groups) {
        struct security_group *g = list_entry(it, struct security_group, link);
        if (streq(g->rec->group->group_name, "default"))
            return g;
    }
    return NULL;
}

static struct ec2_security_group_rule *rule_add(struct core *core,
                                                struct security_group *g, bool egress)
{
    struct arena *a = &g->o.arena;
    struct ec2_scope s = ec2_owner(core_scratch(core), &g->o);
    struct ec2_security_group_rule *r = LIST_PUSH(a, &g->rec->rules);
    r->security_group_rule_id = ec2_new_id(core, a, "sgr");
    r->security_group_rule_arn =
        ec2_arn(a, &s, "security-group-rule", r->security_group_rule_id);
    r->group_id = g->rec->group->group_id;
    r->group_owner_id = g->rec->group->owner_id;
    r->is_egress = SET_BOOL(egress);
    r->ip_protocol = "-1";
    r->from_port = r->to_port = SET_INT(-1);
    r->tags.set = true;
    return r;
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
    rule_add(core, g, true)->cidr_ipv4 = "0.0.0.0/0";
    if (streq(name, "default")) {
        struct ec2_security_group_rule *in = rule_add(core, g, false);
        in->referenced_group_info = arena_new(a, struct ec2_referenced_security_group);
        in->referenced_group_info->group_id = rec->group_id;
        in->referenced_group_info->user_id = rec->owner_id;
    }
    object_save(core, &g->o);
    vpc_changed(core, v);
    return g;
}

void security_group_allow_all(struct core *core, struct security_group *g)
{
    rule_add(core, g, false)->cidr_ipv4 = "0.0.0.0/0";
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
