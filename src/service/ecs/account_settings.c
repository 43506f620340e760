/* PutAccountSetting, PutAccountSettingDefault, DeleteAccountSetting, ListAccountSettings. */
#include "account_settings.h"

#include <string.h>

#include "page.h"

/* By the model's order of names; the values that a setting may have, the first built in. */
struct rule {
    const char *values[5];
    bool aws_managed; /* nobody sets it */
};

static const struct rule rules[] = {
    [ECS_SETTING_NAME_SERVICE_LONG_ARN_FORMAT] = {{"enabled"}, false},
    [ECS_SETTING_NAME_TASK_LONG_ARN_FORMAT] = {{"enabled"}, false},
    [ECS_SETTING_NAME_CONTAINER_INSTANCE_LONG_ARN_FORMAT] = {{"enabled"}, false},
    [ECS_SETTING_NAME_AWSVPC_TRUNKING] = {{"disabled", "enabled"}, false},
    [ECS_SETTING_NAME_CONTAINER_INSIGHTS] = {{"disabled", "enabled", "enhanced"}, false},
    [ECS_SETTING_NAME_FARGATE_FIPS_MODE] = {{"disabled", "enabled"}, false},
    [ECS_SETTING_NAME_TAG_RESOURCE_AUTHORIZATION] = {{"off", "on"}, false},
    [ECS_SETTING_NAME_FARGATE_TASK_RETIREMENT_WAIT_PERIOD] = {{"7", "0", "14"}, false},
    [ECS_SETTING_NAME_GUARD_DUTY_ACTIVATE] = {{"off"}, true},
    [ECS_SETTING_NAME_DEFAULT_LOG_DRIVER_MODE] = {{"non-blocking", "blocking"}, false},
    [ECS_SETTING_NAME_FARGATE_EVENT_WINDOWS] = {{"disabled", "enabled"}, false},
};
#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))

static const char *name_text(enum ecs_setting_name name)
{
    return wire_enum_name(&ecs_setting_name_shape, (int)name);
}

static const char *root_arn(struct arena *a, const char *account)
{
    return arena_printf(a, "arn:aws:iam::%s:root", account);
}

/* One principal's settings lie side by side, in the order of their names. */
static const char *principal_prefix(struct arena *a, const char *account,
                                    const char *region, const char *principal)
{
    char *hex = arena_alloc(a, 2 * strlen(principal) + 1);
    hex_encode(principal, strlen(principal), hex);
    return ecs_key(a, "account-setting", account, region, arena_printf(a, "%s/", hex));
}

static struct account_setting *setting_find(struct core *core, struct arena *a,
                                            const char *account, const char *region,
                                            const char *principal,
                                            enum ecs_setting_name name)
{
    const char *prefix = principal_prefix(a, account, region, principal);
    return table_find(ecs_of(core)->account_settings,
                      arena_printf(a, "%s%s", prefix, name_text(name)));
}

/* ---- what holds ---- */

static void effective(struct core *core, struct arena *a, const char *account,
                      const char *region, const char *principal,
                      enum ecs_setting_name name, struct ecs_setting *ret)
{
    const struct account_setting *s = NULL;
    if (!rules[name].aws_managed) {
        s = setting_find(core, a, account, region, principal, name);
        if (!s)
            s = setting_find(core, a, account, region, root_arn(a, account), name);
    }
    *ret = (struct ecs_setting){
        .name = name,
        .value = s ? s->rec->setting->value : rules[name].values[0],
        .principal_arn = principal,
        .type = rules[name].aws_managed ? ECS_SETTING_TYPE_AWS_MANAGED
                                        : ECS_SETTING_TYPE_USER,
    };
}

const char *account_setting(struct call *c, enum ecs_setting_name name)
{
    struct ecs_setting s;
    effective(c->core, &c->arena, c->who.account_id, c->region, c->who.arn, name, &s);
    return s.value;
}

const char *account_default(struct core *core, const char *account, const char *region,
                            enum ecs_setting_name name)
{
    struct arena *a = core_scratch(core);
    struct ecs_setting s;
    effective(core, a, account, region, root_arn(a, account), name, &s);
    return s.value;
}

/* ---- changing ---- */

static int value_check(struct call *c, enum ecs_setting_name name, const char *value)
{
    if (rules[name].aws_managed)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The setting %s is managed by AWS and can't be changed.",
                          name_text(name));
    AUTO_STR known = STR_INIT;
    for (size_t i = 0; rules[name].values[i]; i++) {
        if (streq(rules[name].values[i], value))
            return 0;
        str_addf(&known, "%s%s", i ? ", " : "", rules[name].values[i]);
    }
    return call_fault(c, &ecs_invalid_parameter_exception,
                      "Invalid value '%s' for the setting %s. Valid values: %s", value,
                      name_text(name), str_text(&known));
}

/* NULL: the caller. A principal is of the caller's account. */
static int principal_of(struct call *c, const char *given, const char **ret)
{
    struct arn arn;
    *ret = given ? given : c->who.arn;
    if (!given)
        return 0;
    if (strlen(given) > 512 || !arn_parse(&c->arena, given, &arn) ||
        !streq(arn.service, "iam") || !streq(arn.account, c->who.account_id) ||
        !(streq(arn.resource, "root") || str_starts(arn.resource, "user/") ||
          str_starts(arn.resource, "role/")))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The principal ARN '%s' is not valid: it must be that of the "
                          "root user, an IAM user or an IAM role of this account.",
                          given);
    return 0;
}

static int setting_put(struct call *c, const char *principal, enum ecs_setting_name name,
                       const char *value, struct ecs_setting **ret)
{
    if (value_check(c, name, value) < 0)
        return -1;
    struct account_setting *s =
        setting_find(c->core, &c->arena, c->who.account_id, c->region, principal, name);
    if (!s) {
        const char *prefix =
            principal_prefix(&c->arena, c->who.account_id, c->region, principal);
        s = object_new(c->core, ecs_of(c->core)->account_settings,
                       call_printf(c, "%s%s", prefix, name_text(name)));
    }
    struct arena *a = &s->o.arena;
    s->rec->setting = arena_new(a, struct ecs_setting);
    *s->rec->setting = (struct ecs_setting){
        .name = name,
        .value = arena_strdup(a, value),
        .principal_arn = arena_strdup(a, principal),
        .type = ECS_SETTING_TYPE_USER,
    };
    object_save(c->core, &s->o);
    *ret = wire_copy(&c->arena, &ecs_setting_shape, s->rec->setting);
    return 0;
}

int ecs_put_account_setting(struct call *c,
                            const struct ecs_put_account_setting_request *in,
                            struct ecs_put_account_setting_response *out)
{
    const char *principal;
    if (principal_of(c, in->principal_arn, &principal) < 0)
        return -1;
    return setting_put(c, principal, in->name, in->value, &out->setting);
}

int ecs_put_account_setting_default(
    struct call *c, const struct ecs_put_account_setting_default_request *in,
    struct ecs_put_account_setting_default_response *out)
{
    return setting_put(c, root_arn(&c->arena, c->who.account_id), in->name, in->value,
                       &out->setting);
}

/* The reply tells what holds from now on. */
int ecs_delete_account_setting(struct call *c,
                               const struct ecs_delete_account_setting_request *in,
                               struct ecs_delete_account_setting_response *out)
{
    const char *principal;
    if (principal_of(c, in->principal_arn, &principal) < 0)
        return -1;
    struct account_setting *s = setting_find(c->core, &c->arena, c->who.account_id,
                                             c->region, principal, in->name);
    if (s)
        object_delete(c->core, &s->o);
    struct ecs_setting now;
    effective(c->core, &c->arena, c->who.account_id, c->region, principal, in->name,
              &now);
    out->setting = wire_copy(&c->arena, &ecs_setting_shape, &now);
    return 0;
}

/* ---- ListAccountSettings ---- */

static void list_one(struct call *c, const char *principal, bool resolve,
                     const struct ecs_list_account_settings_request *in,
                     enum ecs_setting_name name, struct ecs_setting_list *ret)
{
    struct ecs_setting found;
    if (in->name && in->name != name)
        return;
    effective(c->core, &c->arena, c->who.account_id, c->region, principal, name, &found);
    if (!resolve &&
        !setting_find(c->core, &c->arena, c->who.account_id, c->region, principal, name))
        return;
    if (in->value && !streq(in->value, found.value))
        return;
    wire_copy_into(&c->arena, &ecs_setting_shape, &found, LIST_PUSH(&c->arena, ret));
}

int ecs_list_account_settings(struct call *c,
                              const struct ecs_list_account_settings_request *in,
                              struct ecs_list_account_settings_response *out)
{
    const char *principal, *at;
    size_t limit;
    if (in->value && !in->name)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "A value can only be given together with a setting name.");
    /* The model's maxResults is not boxed: 0 is unset. */
    struct opt_int max = in->max_results.v ? in->max_results : (struct opt_int){0};
    if (principal_of(c, in->principal_arn, &principal) < 0 ||
        ecs_page_size(c, max, 10, 10, &limit) < 0 ||
        ecs_page_start(c, in->next_token, "setting/", &at) < 0)
        return -1;
    int64_t first = 1;
    if (*(at += strlen("setting/")) && !str_to_i64(at, 1, RULE_COUNT, &first))
        return call_fault(c, &ecs_invalid_parameter_exception, "Invalid token.");
    out->settings.set = true;
    for (size_t name = (size_t)first; name < RULE_COUNT; name++) {
        size_t had = out->settings.n;
        list_one(c, principal, in->effective_settings.v, in, (enum ecs_setting_name)name,
                 &out->settings);
        if (out->settings.n > limit) {
            out->settings.n = had;
            out->next_token = page_token(&c->arena, call_printf(c, "setting/%zu", name));
            break;
        }
    }
    return 0;
}
