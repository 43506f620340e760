/* What becomes of an instance, and who is told; see ec2_instance.h. */
#include <time.h>

#include "address.h"
#include "ec2_instance.h"
#include "instance_profile.h"
#include "interface.h"

#define CONSOLE_MAX 65536

/* ---- the states ---- */

static const struct move {
    const char *from;
    enum instance_event event;
    const char *to;
} moves[] = {
    {"pending", INSTANCE_STARTED, "running"},
    {"pending", INSTANCE_FAILED, "shutting-down"},
    {"pending", INSTANCE_START, "pending"},
    {"pending", INSTANCE_TERMINATE, "shutting-down"},
    {"running", INSTANCE_STARTED, "running"},
    {"running", INSTANCE_START, "running"},
    {"running", INSTANCE_STOP, "stopping"},
    {"running", INSTANCE_REBOOT, "running"},
    {"running", INSTANCE_TERMINATE, "shutting-down"},
    {"stopping", INSTANCE_STOPPED, "stopped"},
    {"stopping", INSTANCE_STOP, "stopping"},
    {"stopping", INSTANCE_TERMINATE, "shutting-down"},
    {"stopped", INSTANCE_START, "pending"},
    {"stopped", INSTANCE_STOP, "stopped"},
    {"stopped", INSTANCE_TERMINATE, "shutting-down"},
    {"shutting-down", INSTANCE_GONE, "terminated"},
    {"shutting-down", INSTANCE_TERMINATE, "shutting-down"},
    {"terminated", INSTANCE_TERMINATE, "terminated"},
};

static const struct move *move_of(const struct ec2_instance_object *i,
                                  enum instance_event e)
{
    for (size_t n = 0; n < sizeof(moves) / sizeof(moves[0]); n++)
        if (moves[n].event == e && streq(moves[n].from, i->rec->state))
            return &moves[n];
    return NULL;
}

bool instance_may(const struct ec2_instance_object *i, enum instance_event e)
{
    return move_of(i, e) != NULL;
}

/* ---- the edge ---- */

static struct network_interface *interface_of(struct core *core,
                                              const struct ec2_instance_object *i)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    return interface_find(core, &s, i->rec->network_interface_id);
}

static const char *desired_state(const char *state)
{
    if (streq(state, "pending") || streq(state, "running"))
        return "running";
    return str_starts(state, "stop") ? "stopped" : "terminated";
}

/* What only its metadata shows of it. */
static void edge_view_network(const struct network_interface *nic, struct arena *a,
                              struct gantry_edge_instance *ret)
{
    const struct ec2_network_interface *rec = nic->rec->interface;
    const struct ec2_vpc *vpc = nic->subnet->vpc->rec->vpc;
    ret->security_groups = rec->groups;
    ret->subnet_cidr_block = nic->subnet->rec->subnet->cidr_block;
    for (size_t n = 0; n < vpc->cidr_block_association_set.n; n++)
        *LIST_PUSH(a, &ret->vpc_cidr_blocks) =
            vpc->cidr_block_association_set.v[n].cidr_block;
    if (!rec->association)
        return;
    ret->public_ip_address = rec->association->public_ip;
    ret->public_dns_name = rec->association->public_dns_name;
}

static void edge_view(struct core *core, const struct ec2_instance_object *i,
                      struct arena *a, struct gantry_edge_instance *ret)
{
    const struct ec2_instance *rec = i->rec->instance;
    struct ec2_scope s = ec2_owner(a, &i->o);
    const char *type = wire_enum_name(&ec2_instance_type_shape, (int)rec->instance_type);
    const struct instance_type *t = instance_type_find(type);
    const struct network_interface *nic = interface_of(core, i);
    *ret = (struct gantry_edge_instance){
        .instance_id = rec->instance_id,
        .account_id = s.account,
        .region = s.region,
        .availability_zone = rec->placement->availability_zone,
        .instance_type = type,
        .vcpus = SET_INT(t ? t->vcpus : 0),
        .memory_mib = SET_INT(t ? t->memory_mib : 0),
        .state = desired_state(i->rec->state),
        .generation = SET_INT((int32_t)i->rec->generation.v),
        .image_id = rec->image_id,
        .user_data = i->rec->user_data,
        .iam_instance_profile_arn =
            rec->iam_instance_profile ? rec->iam_instance_profile->arn : NULL,
        .network_interface_id = i->rec->network_interface_id,
        .mac_address = nic ? nic->rec->interface->mac_address : NULL,
        .private_ip_address = rec->private_ip_address,
        .private_dns_name = rec->private_dns_name,
        .subnet_id = rec->subnet_id,
        .vpc_id = rec->vpc_id,
        .reservation_id = i->rec->reservation_id,
        .life_cycle =
            rec->instance_lifecycle == EC2_INSTANCE_LIFECYCLE_TYPE_SPOT ? "spot" : NULL,
        .launched_at = rec->launch_time,
        .tags = rec->tags,
        .metadata_options = rec->metadata_options,
        .iam_instance_profile_id =
            rec->iam_instance_profile ? rec->iam_instance_profile->id : NULL,
    };
    if (streq(ret->state, "running"))
        ret->credentials = instance_credentials(core, i);
    else
        instance_credentials_forget(core, i);
    if (nic)
        edge_view_network(nic, a, ret);
}

/* The machine looks after itself, and of what is terminated nothing is left there. */
static bool for_edge(const struct ec2_instance_object *i)
{
    return !i->rec->machine.v && !streq(i->rec->state, "terminated");
}

void instance_tell_edge(struct core *core, const struct ec2_instance_object *i)
{
    const struct ec2 *ec2 = ec2_of(core);
    struct gantry_edge_instance x;
    if (!ec2->edge_ops || i->rec->machine.v)
        return;
    if (!for_edge(i)) {
        instance_credentials_forget(core, i);
        ec2->edge_ops->instance_gone(ec2->edge_ctx, core, i->rec->instance->instance_id);
        return;
    }
    edge_view(core, i, core_scratch(core), &x);
    ec2->edge_ops->instance(ec2->edge_ctx, core, &x);
}

void ec2_instance_edge_desired(struct core *core, struct arena *a,
                               struct gantry_edge_instance_list *ret)
{
    const struct table *t = ec2_of(core)->instances;
    const char *after = ec2_instance_table.prefix;
    for (struct ec2_instance_object *i;
         (i = table_next(t, ec2_instance_table.prefix, after)); after = i->o.key)
        if (for_edge(i))
            edge_view(core, i, a, LIST_PUSH(a, ret));
}

/* ---- what a state brings with it ---- */

static void tell_watchers(struct core *core, const struct ec2_instance_object *i)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    bool running = streq(i->rec->state, "running");
    const char *id = arena_strdup(core_scratch(core), i->rec->instance->instance_id);
    for (struct ec2_watch *w = ec2_of(core)->watches; w; w = w->next)
        w->instance_changed(w->ctx, core, &s, id, running);
}

/* Only what came by itself goes by itself: an elastic address stays. */
static void release_public(struct core *core, const struct ec2_instance_object *i)
{
    struct network_interface *nic = interface_of(core, i);
    uint32_t address;
    if (!nic || !nic->rec->interface->association ||
        nic->rec->interface->association->allocation_id)
        return;
    if (address_parse(nic->rec->interface->association->public_ip, &address))
        public_address_give_back(ec2_of(core), address);
    interface_set_public(core, nic, NULL, NULL, NULL);
    interface_changed(core, nic);
}

static void take_public(struct core *core, const struct ec2_instance_object *i)
{
    struct network_interface *nic = interface_of(core, i);
    uint32_t address;
    if (!i->rec->public_ip.v || !nic || nic->rec->interface->association ||
        !public_address_take(ec2_of(core), &address))
        return;
    interface_set_public(core, nic, address_text(core_scratch(core), address), NULL,
                         NULL);
    interface_changed(core, nic);
}

static void set_reason(struct core *core, struct ec2_instance_object *i, const char *code,
                       const char *text)
{
    struct arena *a = &i->o.arena;
    struct ec2_instance *rec = i->rec->instance;
    rec->state_reason = arena_new(a, struct ec2_state_reason);
    rec->state_reason->code = arena_strdup(a, code);
    rec->state_reason->message = arena_printf(a, "%s: %s", code, text);
}

static void user_reason(struct core *core, struct ec2_instance_object *i)
{
    char when[32];
    time_t now = (time_t)(core_now_ms(core) / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    i->rec->instance->state_transition_reason =
        arena_printf(&i->o.arena, "User initiated (%s GMT)", when);
    set_reason(core, i, "Client.UserInitiatedShutdown", "User initiated shutdown");
}

static void boot_again(struct core *core, struct ec2_instance_object *i)
{
    i->rec->generation = SET_LONG(i->rec->generation.v + 1);
    i->rec->instance->state_reason = NULL;
    i->rec->instance->state_transition_reason = "";
}

static void ended(struct core *core, struct ec2_instance_object *i)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    i->rec->terminated_at = SET_TIME(core_now_ms(core));
    i->rec->instance->private_ip_address = i->rec->instance->private_dns_name = NULL;
    wake_at(core, &i->expiry, core_now_ms(core) + INSTANCE_SHOWN_MS);
    ec2_interface_delete(core, &s, i->rec->network_interface_id);
}

static void entered(struct core *core, struct ec2_instance_object *i,
                    enum instance_event e, const char *reason)
{
    switch (e) {
    case INSTANCE_START:
        boot_again(core, i);
        i->rec->instance->launch_time = SET_TIME(core_now_ms(core));
        take_public(core, i);
        break;
    case INSTANCE_REBOOT:
        boot_again(core, i);
        break;
    case INSTANCE_STOP:
    case INSTANCE_TERMINATE:
        user_reason(core, i);
        release_public(core, i);
        break;
    case INSTANCE_FAILED:
        i->rec->instance->state_transition_reason = "Server.InternalError";
        set_reason(core, i, "Server.InternalError",
                   reason ? reason : "Internal error on launch");
        break;
    case INSTANCE_GONE:
        ended(core, i);
        break;
    case INSTANCE_STARTED:
    case INSTANCE_STOPPED:
        break;
    }
}

bool instance_move(struct core *core, struct ec2_instance_object *i,
                   enum instance_event e, const char *reason)
{
    const struct move *m = move_of(i, e);
    if (!m)
        return false;
    bool same = streq(m->from, m->to);
    if (same && e != INSTANCE_REBOOT)
        return true;
    i->rec->state = m->to;
    entered(core, i, e, reason);
    object_save(core, &i->o);
    instance_tell_edge(core, i);
    if (!same)
        tell_watchers(core, i);
    return true;
}

void instance_expire(struct core *core, struct wake *w)
{
    struct ec2_instance_object *i = list_entry(w, struct ec2_instance_object, expiry);
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    const char *token = i->rec->instance->client_token;
    struct object *t =
        token ? table_find(ec2_of(core)->run_tokens,
                           ec2_key(core_scratch(core), "run-token", &s, token))
              : NULL;
    if (t)
        object_delete(core, t);
    object_delete(core, &i->o);
}

/* ---- what the edge says ---- */

static void note_console(struct core *core, struct ec2_instance_object *i,
                         const char *text)
{
    if (!text || streq(text, i->rec->console) || strlen(text) > CONSOLE_MAX)
        return;
    i->rec->console = arena_strdup(&i->o.arena, text);
    i->rec->console_at = SET_TIME(core_now_ms(core));
    object_save(core, &i->o);
}

void ec2_edge_instance_state(struct core *core,
                             const struct gantry_edge_instance_state *state)
{
    static const struct {
        const char *said;
        enum instance_event event;
    } events[] = {{"running", INSTANCE_STARTED},
                  {"stopped", INSTANCE_STOPPED},
                  {"terminated", INSTANCE_GONE},
                  {"failed", INSTANCE_FAILED}};
    struct ec2 *ec2 = ec2_of(core);
    struct ec2_instance_object *i = NULL;
    if (state->instance_id)
        HASH_FIND_STR(ec2->instances_by_id, state->instance_id, i);
    if (!i || i->rec->machine.v || state->generation.v != i->rec->generation.v)
        return;
    note_console(core, i, state->console);
    for (size_t n = 0; n < sizeof(events) / sizeof(events[0]); n++)
        if (streq(events[n].said, state->state))
            instance_move(core, i, events[n].event, state->reason);
}
