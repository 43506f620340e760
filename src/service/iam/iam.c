/* IAM's state: its tables in the order in which they refer to each other, and accounts. */
#include <stdlib.h>

#include "iam_entity.h"
#include "iam_key.h"
#include "iam_linked.h"
#include "iam_policy.h"
#include "iam_profile.h"
#include "iam_provider.h"
#include "iam_session.h"
#include "judge.h"

static const char iam_service_key;

struct iam *iam_of(const struct core *core)
{
    return core_service(core, &iam_service_key);
}

static void iam_free(void *state)
{
    struct iam *iam = state;
    for (size_t i = 0; i < iam->accounts.size; i++)
        for (struct iam_index_entry *e = iam->accounts.buckets[i], *next; e; e = next) {
            struct iam_account *account = list_entry(e, struct iam_account, by_id);
            next = e->next;
            free(account->aws_uses);
            free(account);
        }
    iam_index_free(&iam->accounts);
    iam_index_free(&iam->ids);
    iam_index_free(&iam->key_ids);
    iam_aws_policies_free(iam);
    iam_sessions_free(&iam->sessions);
    policy_free(iam->nothing);
    free(iam);
}

void iam_attach(struct core *core)
{
    struct iam *iam = xcalloc(1, sizeof(*iam));
    core_set_service(core, &iam_service_key, iam, iam_free);
    iam_certificate_tables(core, iam);
    iam_policy_tables(core, iam);
    iam_entity_tables(core, iam);
    iam_profile_tables(core, iam);
    iam_key_tables(core, iam);
    iam_provider_tables(core, iam);
    iam_alias_tables(core, iam);
    iam_deletion_tables(core, iam);
    static const char nothing[] =
        "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
        "\"Action\":\"none:None\",\"Resource\":\"arn:aws:none:::none\"}}";
    (void)policy_compile(nothing, strlen(nothing), POLICY_IDENTITY, &iam->nothing, NULL);
    core_set_judge(core, &iam_judge);
}

/* ---- accounts ---- */

struct iam_account *iam_account_find(const struct core *core, const char *id)
{
    struct iam_index_entry *e = iam_index_find(&iam_of(core)->accounts, id);
    return e ? list_entry(e, struct iam_account, by_id) : NULL;
}

struct iam_account *iam_account_make(struct core *core, const char *id)
{
    struct iam *iam = iam_of(core);
    struct iam_account *account = iam_account_find(core, id);
    if (account)
        return account;
    account = xcalloc(1, sizeof(*account));
    memcpy(account->id, id, strnlen(id, sizeof(account->id) - 1));
    iam_index_add(&iam->accounts, &account->by_id, account->id);
    list_init(&account->root_keys);
    account->aws_uses = xcalloc(iam->aws_count, sizeof(*account->aws_uses));
    for (size_t i = 0; i < iam->aws_count; i++)
        list_init(&account->aws_uses[i].uses);
    return account;
}

const char *iam_key_account(struct core *core, const struct object *o)
{
    const char *name = object_name(o);
    return arena_strndup(core_scratch(core), name, strcspn(name, "/"));
}
