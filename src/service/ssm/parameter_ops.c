/* DeleteParameter, DeleteParameters, LabelParameterVersion, UnlabelParameterVersion. */
#include <ctype.h>
#include <strings.h>

#include "parameter.h"

#define LABELS_MAX 10

int ssm_delete_parameter(struct call *c, const struct ssm_delete_parameter_request *in,
                         struct ssm_delete_parameter_result *out)
{
    struct parameter *p = parameter_require(c, in->name);
    if (!p)
        return -1;
    parameter_tell(c, p, "Delete");
    parameter_delete(c->core, p);
    return 0;
}

int ssm_delete_parameters(struct call *c, const struct ssm_delete_parameters_request *in,
                          struct ssm_delete_parameters_result *out)
{
    out->deleted_parameters.set = out->invalid_parameters.set = true;
    for (size_t i = 0; i < in->names.n; i++) {
        struct parameter *p = parameter_find(c, in->names.v[i]);
        *LIST_PUSH(&c->arena, p ? &out->deleted_parameters : &out->invalid_parameters) =
            in->names.v[i];
        if (!p)
            continue;
        parameter_tell(c, p, "Delete");
        parameter_delete(c->core, p);
    }
    return 0;
}

/* ---- labels ---- */

static bool label_valid(const char *label)
{
    for (const char *s = label; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
            return false;
    return !isdigit((unsigned char)label[0]) && strncasecmp(label, "aws", 3) != 0 &&
           strncasecmp(label, "ssm", 3) != 0;
}

static void label_drop(struct core *core, struct parameter_version *v, const char *label)
{
    struct string_list *l = &v->rec->labels;
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (!streq(l->v[i], label))
            l->v[n++] = l->v[i];
    l->n = n;
    object_save(core, &v->o);
}

/* A label is at one version at a time. */
static void label_move(struct core *core, struct parameter_version *v, const char *label)
{
    struct parameter_version *old = parameter_version_labelled(v->parameter, label);
    if (old == v)
        return;
    if (old)
        label_drop(core, old, label);
    *LIST_PUSH(&v->o.arena, &v->rec->labels) = arena_strdup(&v->o.arena, label);
    object_save(core, &v->o);
}

static struct parameter_version *version_require(struct call *c, const char *name,
                                                 const struct opt_long *number)
{
    struct parameter *p = parameter_require(c, name);
    struct parameter_version *v = !p             ? NULL
                                  : !number->set ? parameter_latest(p)
                                                 : parameter_version_find(p, number->v);
    if (p && !v)
        call_fault(
            c, &ssm_parameter_version_not_found,
            "Systems Manager could not find version %lld of %s. Verify the version "
            "and try again.",
            (long long)number->v, name);
    return v;
}

static int label_room_check(struct call *c, const struct parameter_version *v,
                            const struct string_list *labels)
{
    size_t n = v->rec->labels.n;
    for (size_t i = 0; i < labels->n; i++)
        n += label_valid(labels->v[i]) &&
             parameter_version_labelled(v->parameter, labels->v[i]) != v;
    return n <= LABELS_MAX
               ? 0
               : call_fault(c, &ssm_parameter_version_label_limit_exceeded,
                            "A parameter version can have maximum %d labels.Move one or "
                            "more labels to another version and try again.",
                            LABELS_MAX);
}

int ssm_label_parameter_version(struct call *c,
                                const struct ssm_label_parameter_version_request *in,
                                struct ssm_label_parameter_version_result *out)
{
    struct parameter_version *v = version_require(c, in->name, &in->parameter_version);
    if (!v || label_room_check(c, v, &in->labels) < 0)
        return -1;
    out->invalid_labels.set = true;
    for (size_t i = 0; i < in->labels.n; i++)
        if (label_valid(in->labels.v[i]))
            label_move(c->core, v, in->labels.v[i]);
        else
            *LIST_PUSH(&c->arena, &out->invalid_labels) = in->labels.v[i];
    parameter_tell(c, v->parameter, "LabelParameterVersion");
    out->parameter_version = v->rec->version;
    return 0;
}

int ssm_unlabel_parameter_version(struct call *c,
                                  const struct ssm_unlabel_parameter_version_request *in,
                                  struct ssm_unlabel_parameter_version_result *out)
{
    struct parameter_version *v = version_require(c, in->name, &in->parameter_version);
    if (!v)
        return -1;
    out->removed_labels.set = out->invalid_labels.set = true;
    for (size_t i = 0; i < in->labels.n; i++) {
        const char *label = in->labels.v[i];
        bool here = parameter_version_labelled(v->parameter, label) == v;
        *LIST_PUSH(&c->arena, here ? &out->removed_labels : &out->invalid_labels) = label;
        if (here)
            label_drop(c->core, v, label);
    }
    return 0;
}
