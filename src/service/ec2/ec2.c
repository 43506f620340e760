/* Tables, names and faults of EC2. */
#include "ec2_state.h"

#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "ec2_instance.h"
#include "interface.h"
#include "key_pair.h"
#include "launch_template.h"
#include "security_group.h"

static const char ec2_service_key;

struct ec2 *ec2_of(const struct core *core)
{
    return core_service(core, &ec2_service_key);
}

static const struct table_type account_table = {
    .prefix = "/ec2/account/",
    .shape = &gantry_ec2_account_record_shape,
    .object_size = sizeof(struct ec2_account),
    .record_offset = offsetof(struct ec2_account, rec),
};

static void detach(void *state)
{
    struct ec2 *ec2 = state;
    public_addresses_free(ec2);
    security_rules_free(ec2);
    free((char *)(uintptr_t)ec2->settings.public_pool);
    free(ec2);
}

static void account_begins(struct core *core, const char *account, const char *region)
{
    struct ec2_scope s = {account, region};
    ec2_account_ensure(core, &s);
}

void ec2_attach(struct core *core, const struct ec2_settings *settings)
{
    struct ec2 *ec2 = xcalloc(1, sizeof(*ec2));
    ec2->settings = *settings;
    ec2->settings.public_pool = NULL;
    if (settings->public_pool) {
        ec2->settings.public_pool = xstrdup(settings->public_pool);
        if (!cidr_parse_strict(settings->public_pool, &ec2->pool))
            ec2->pool = (struct cidr){0};
    }
    core_set_service(core, &ec2_service_key, ec2, detach);
    core_set_account_hook(core, account_begins);
    ec2->accounts = table_add(core, &account_table);
    ec2->vpcs = table_add(core, &vpc_table);
    ec2->subnets = table_add(core, &subnet_table);
    ec2->internet_gateways = table_add(core, &internet_gateway_table);
    ec2->route_tables = table_add(core, &route_table_table);
    ec2->groups = table_add(core, &security_group_table);
    ec2->addresses = table_add(core, &address_table);
    ec2->instances = table_add(core, &ec2_instance_table);
    ec2->interfaces = table_add(core, &interface_table);
    ec2->key_pairs = table_add(core, &key_pair_table);
    ec2->nat_gateways = table_add(core, &nat_gateway_table);
    ec2->launch_templates = table_add(core, &launch_template_table);
    ec2->run_tokens = table_add(core, &run_token_table);
}

void ec2_set_edge_ops(struct core *core, const struct ec2_edge_ops *ops, void *ctx)
{
    ec2_of(core)->edge_ops = ops;
    ec2_of(core)->edge_ctx = ctx;
}

void ec2_watch_add(struct core *core, struct ec2_watch *w)
{
    w->next = ec2_of(core)->watches;
    ec2_of(core)->watches = w;
}

/* ---- names ---- */

const char *ec2_new_id(struct core *core, struct arena *a, const char *prefix)
{
    char hex[18];
    core_random_hex(core, hex, 17);
    hex[0] = '0'; /* as AWS's do */
    return arena_printf(a, "%s-%s", prefix, hex);
}

const char *ec2_key(struct arena *a, const char *kind, const struct ec2_scope *s,
                    const char *id)
{
    return arena_printf(a, "/ec2/%s/%s/%s/%s", kind, s->account, s->region, id);
}

const char *ec2_prefix(struct arena *a, const char *kind, const struct ec2_scope *s)
{
    return ec2_key(a, kind, s, "");
}

struct ec2_scope ec2_scope_of(const struct call *c)
{
    return (struct ec2_scope){c->who.account_id, c->region};
}

struct ec2_scope ec2_owner(struct arena *a, const struct object *o)
{
    const char *account = object_name(o), *slash = strchr(account, '/'),
               *end = strchr(slash + 1, '/');
    return (struct ec2_scope){arena_strndup(a, account, (size_t)(slash - account)),
                              arena_strndup(a, slash + 1, (size_t)(end - slash - 1))};
}

const char *ec2_arn(struct arena *a, const struct ec2_scope *s, const char *kind,
                    const char *id)
{
    return arena_printf(a, "arn:aws:ec2:%s:%s:%s/%s", s->region, s->account, kind, id);
}

/* ---- faults ---- */

int ec2_fault(struct call *c, const char *code, const char *fmt, ...)
{
    struct wire_fault *f = arena_new(&c->arena, struct wire_fault);
    va_list ap;
    *f = (struct wire_fault){.code = code, .status = 400, .sender = true};
    va_start(ap, fmt);
    const char *text = arena_vprintf(&c->arena, fmt, ap);
    va_end(ap);
    return call_fault(c, f, "%s", text);
}

int ec2_dry_run(struct call *c, struct opt_bool dry_run)
{
    if (!dry_run.v)
        return 0;
    struct wire_fault *f = arena_new(&c->arena, struct wire_fault);
    *f = (struct wire_fault){.code = "DryRunOperation", .status = 412, .sender = true};
    return call_fault(c, f, "Request would have succeeded, but DryRun flag is set.");
}

int ec2_refuse(struct call *c, const char *what)
{
    return ec2_fault(c, "UnsupportedOperation", "%s not offered by this gantry.", what);
}

/* ---- zones ---- */

const char *zone_name(struct arena *a, const char *region, unsigned n)
{
    return arena_printf(a, "%s%c", region, (int)('a' + n));
}

bool zone_known(const char *region, const char *zone)
{
    size_t n = strlen(region);
    return zone && strncmp(zone, region, n) == 0 && zone[n] >= 'a' &&
           zone[n] < 'a' + ZONES && !zone[n + 1];
}

/* "us-east-1b" gives "use1-az2", "ap-southeast-2a" "apse2-az1": both letters of the first
 * word, the quarters of the second, the number. */
const char *zone_id(struct arena *a, const char *region, const char *zone)
{
    const char *quarter = strchr(region, '-');
    const char *number = quarter ? strchr(quarter + 1, '-') : NULL;
    if (!number)
        return arena_printf(a, "%s-az", region);
    quarter++;
    number++;
    bool two = str_starts(quarter, "south") || str_starts(quarter, "north");
    const char *second = two && quarter[5] != '-' ? quarter + 5 : "";
    return arena_printf(a, "%.2s%c%.1s%s-az%d", region, *quarter, second, number,
                        zone[strlen(zone) - 1] - 'a' + 1);
}
