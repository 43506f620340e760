/* What the edge has to know: balancers with everything that hangs on them, and the groups
 * that they forward to. */
#include "acm.h"
#include "elbv2_state.h"
#include "seal.h"

static void pem_add(struct core *core, struct arena *a, const char *arn, bool is_default,
                    struct gantry_edge_certificate_list *ret)
{
    AUTO_SECRET pem = STR_INIT;
    struct error err;
    if (acm_certificate_pem(core, arn, &pem, &err) < 0)
        return; /* it was there when the listener was made; the edge tells what lacks */
    struct gantry_edge_certificate *to = LIST_PUSH(a, ret);
    to->certificate_arn = arn;
    to->pem = arena_strdup(a, str_text(&pem));
    to->is_default = SET_BOOL(is_default);
}

static void listener_fill(struct core *core, struct arena *a, const struct listener *l,
                          struct gantry_edge_listener *ret)
{
    ret->listener = l->rec->listener;
    ret->attributes = l->rec->attributes;
    for (size_t i = 0; i < l->rec->listener->certificates.n; i++)
        pem_add(core, a, l->rec->listener->certificates.v[i].certificate_arn, true,
                &ret->certificates);
    for (size_t i = 0; i < l->rec->certificates.n; i++)
        pem_add(core, a, l->rec->certificates.v[i].certificate_arn, false,
                &ret->certificates);
    list_for_each (it, &l->rules) {
        *LIST_PUSH(a, &ret->rules) = *list_entry(it, struct rule, link)->rec->rule;
    }
}

static void balancer_fill(struct core *core, struct arena *a, const struct balancer *b,
                          struct gantry_edge_balancer *ret)
{
    struct ec2_scope s = elb_owner(a, b->rec->load_balancer->load_balancer_arn);
    struct error err;
    ret->load_balancer = b->rec->load_balancer;
    ret->attributes = b->rec->attributes;
    list_for_each (it, &b->listeners) {
        listener_fill(core, a, list_entry(it, struct listener, link),
                      LIST_PUSH(a, &ret->listeners));
    }
    for (size_t i = 0; i < b->rec->interface_ids.n; i++) {
        struct ec2_interface_info nic;
        if (ec2_interface_find(core, &s, b->rec->interface_ids.v[i], &nic, &err) < 0)
            continue;
        struct gantry_edge_interface *to = LIST_PUSH(a, &ret->interfaces);
        to->network_interface_id = nic.interface_id;
        to->vpc_id = nic.vpc_id;
        to->subnet_id = nic.subnet_id;
        to->mac_address = nic.mac;
        to->private_ip_address = nic.private_ip;
        to->public_ip = nic.public_ip;
    }
}

static const char *address_of(struct core *core, const struct target *t)
{
    struct ec2_instance_info instance;
    struct error err;
    if (t->group->rec->target_group->target_type == ELBV2_TARGET_TYPE_ENUM_IP)
        return t->rec->id;
    struct ec2_scope s = elb_owner(core_scratch(core), group_arn(t->group));
    return ec2_instance_find(core, &s, t->rec->id, &instance, &err) == 0
               ? instance.private_ip
               : NULL;
}

static void group_fill(struct core *core, struct arena *a, const struct target_group *g,
                       struct gantry_edge_target_group *ret)
{
    ret->target_group = g->rec->target_group;
    ret->attributes = g->rec->attributes;
    list_for_each (it, &g->targets) {
        const struct target *t = list_entry(it, struct target, link);
        const char *address = address_of(core, t);
        if (!address || t->stopped)
            continue;
        struct gantry_edge_target *to = LIST_PUSH(a, &ret->targets);
        to->id = t->rec->id;
        to->port = t->rec->port;
        to->address = address;
        to->availability_zone = t->rec->availability_zone;
        to->draining = SET_BOOL(t->rec->drains_until.set);
    }
}

/* ---- changes ---- */

void balancer_changed(struct core *core, struct balancer *b)
{
    wake_now(core, &b->feed);
}

void balancer_feed(struct core *core, struct wake *w)
{
    struct balancer *b = list_entry(w, struct balancer, feed);
    const struct elbv2 *e = elbv2_of(core);
    struct gantry_edge_balancer x = {0};
    if (!e->edge_ops)
        return;
    balancer_fill(core, core_scratch(core), b, &x);
    e->edge_ops->balancer(e->edge_ctx, core, &x);
}

void group_changed(struct core *core, struct target_group *g)
{
    wake_now(core, &g->feed);
}

void group_feed(struct core *core, struct wake *w)
{
    struct target_group *g = list_entry(w, struct target_group, feed);
    const struct elbv2 *e = elbv2_of(core);
    struct gantry_edge_target_group x = {0};
    if (!e->edge_ops || (g->uses == 0 && !g->told))
        return;
    g->told = g->uses > 0;
    if (!g->told) {
        e->edge_ops->targets_gone(e->edge_ctx, core, group_arn(g));
        return;
    }
    group_fill(core, core_scratch(core), g, &x);
    e->edge_ops->targets(e->edge_ctx, core, &x);
}

/* ---- everything ---- */

void elbv2_edge_desired(struct core *core, struct arena *a,
                        struct gantry_edge_balancer_list *balancers,
                        struct gantry_edge_target_group_list *groups)
{
    const struct elbv2 *e = elbv2_of(core);
    const char *after = balancer_table.prefix;
    for (struct balancer *b; (b = table_next(e->balancers, balancer_table.prefix, after));
         after = b->o.key)
        balancer_fill(core, a, b, LIST_PUSH(a, balancers));
    after = target_group_table.prefix;
    for (struct target_group *g;
         (g = table_next(e->groups, target_group_table.prefix, after));
         after = g->o.key) {
        g->told = g->uses > 0;
        if (g->told)
            group_fill(core, a, g, LIST_PUSH(a, groups));
    }
}

void elbv2_edge_balancer_state(struct core *core,
                               const struct gantry_edge_balancer_state *s)
{
    struct balancer *b = balancer_find(core, s->load_balancer_arn);
    if (!b || !s->state)
        return;
    int code = wire_enum_value(&elbv2_load_balancer_state_enum_shape, s->state);
    struct elbv2_load_balancer *rec = b->rec->load_balancer;
    if (!code || !rec->state ||
        ((int)rec->state->code == code && streq(rec->state->reason, s->reason)))
        return;
    rec->state->code = (enum elbv2_load_balancer_state_enum)code;
    rec->state->reason = arena_strdup(&b->o.arena, s->reason);
    object_save(core, &b->o);
}
