/* The credentials of instances, see instance_profile.h. */
#include <stdlib.h>
#include <string.h>

#include "iam.h"
#include "instance_profile.h"
#include "role_session.h"

struct instance_credentials {
    struct ec2_instance_object *of;
    struct wake wake;
    struct arena arena; /* of the record's texts */
    struct gantry_edge_credentials rec;
    bool made;
};

static void wipe(struct instance_credentials *c)
{
    char *secret = (char *)(uintptr_t)c->rec.secret_access_key;
    char *token = (char *)(uintptr_t)c->rec.session_token;
    if (secret)
        explicit_bzero(secret, strlen(secret));
    if (token)
        explicit_bzero(token, strlen(token));
    c->rec = (struct gantry_edge_credentials){0};
    c->made = false;
    arena_reset(&c->arena);
}

/* ---- making them ---- */

static void complain(struct instance_credentials *c, const char *code, const char *text)
{
    c->rec.code = code;
    c->rec.message = text;
}

static void open_role(struct core *core, struct instance_credentials *c, const char *role)
{
    const char *id = c->of->rec->instance->instance_id;
    struct role_session s;
    struct error err = ERROR_INIT;
    c->rec.role_name = strrchr(role, '/') ? strrchr(role, '/') + 1 : role;
    if (role_session_open(core, role, "ec2.amazonaws.com", id, &c->arena, &s, &err) < 0) {
        complain(c, "AssumeRoleUnauthorizedAccess",
                 arena_printf(&c->arena,
                              "EC2 cannot assume the role %s. Its trust policy has to "
                              "name the service ec2.amazonaws.com.",
                              c->rec.role_name));
        return;
    }
    c->rec.code = "Success";
    c->rec.access_key_id = s.access_key_id;
    c->rec.secret_access_key = s.secret_access_key;
    c->rec.session_token = s.session_token;
    c->rec.expiration = SET_TIME(s.expires_ms);
}

static void make(struct core *core, struct instance_credentials *c)
{
    const struct ec2_iam_instance_profile *p = c->of->rec->instance->iam_instance_profile;
    struct ec2_scope s = ec2_owner(core_scratch(core), &c->of->o);
    const char *role = NULL;
    struct error err = ERROR_INIT;
    wipe(c);
    c->made = true;
    c->rec.updated_at = SET_TIME(core_now_ms(core));
    if (iam_profile_role(core, s.account, p->arn, &c->arena, &role, &err) < 0)
        complain(c, "InstanceProfileNotFound",
                 arena_printf(&c->arena,
                              "The instance profile %s is not there, or has no role.",
                              p->arn));
    else
        open_role(core, c, role);
    wake_cancel(core, &c->wake);
    wake_at(core, &c->wake,
            c->rec.access_key_id ? role_session_refresh_at(core, c->rec.expiration.v)
                                 : core_now_ms(core) + PROFILE_RETRY_MS);
}

static void on_wake(struct core *core, struct wake *w)
{
    struct instance_credentials *c = list_entry(w, struct instance_credentials, wake);
    const char *before = c->rec.code ? c->rec.code : "";
    make(core, c);
    if (c->rec.access_key_id || !streq(before, c->rec.code))
        instance_tell_edge(core, c->of);
}

/* ---- ---- */

void instance_credentials_init(struct ec2_instance_object *i)
{
    i->credentials = xcalloc(1, sizeof(*i->credentials));
    i->credentials->of = i;
    wake_init(&i->credentials->wake, on_wake);
}

struct gantry_edge_credentials *instance_credentials(struct core *core,
                                                     const struct ec2_instance_object *i)
{
    if (!i->rec->instance->iam_instance_profile || !core_role_ops(core))
        return NULL;
    if (!i->credentials->made)
        make(core, i->credentials);
    return &i->credentials->rec;
}

void instance_credentials_forget(struct core *core, const struct ec2_instance_object *i)
{
    wake_cancel(core, &i->credentials->wake);
    wipe(i->credentials);
}

void instance_credentials_fini(struct core *core, struct ec2_instance_object *i)
{
    instance_credentials_forget(core, i);
    arena_free(&i->credentials->arena);
    free(i->credentials);
    i->credentials = NULL;
}
