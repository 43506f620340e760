/* GetAuthorizationToken, CreateRepository, DescribeRepositories, DeleteRepository. */
#include <ctype.h>
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "ecr_state.h"
#include "page.h"

#define TOKEN_LIFE_MS (12 * 60 * 60 * 1000LL)

struct ecr_scope call_scope(const struct call *c)
{
    return (struct ecr_scope){.account = c->who.account_id, .region = c->region};
}

static int invalid(struct call *c, const char *where, const char *constraint)
{
    return call_fault(c, &ecr_invalid_parameter_exception,
                      "Invalid parameter at '%s' failed to satisfy constraint: '%s'",
                      where, constraint);
}

/* Other accounts' registries are not reachable from here. */
static int registry_check(struct call *c, const char *registry_id, const char *name)
{
    if (!registry_id || streq(registry_id, c->who.account_id))
        return 0;
    return call_fault(c, &ecr_repository_not_found_exception,
                      "The repository with name '%s' does not exist in the registry with "
                      "id '%s'",
                      name, registry_id);
}

int repository_require(struct call *c, const char *registry_id, const char *name,
                       struct repository **ret)
{
    struct ecr_scope scope = call_scope(c);
    if (registry_check(c, registry_id, name) < 0)
        return -1;
    *ret = repository_find(c->core, &scope, name);
    if (*ret)
        return 0;
    return call_fault(c, &ecr_repository_not_found_exception,
                      "The repository with name '%s' does not exist in the registry with "
                      "id '%s'",
                      name, scope.account);
}

/* ---- names: [a-z0-9]+((.|_|__|-+)[a-z0-9]+)* parts joined by '/' ---- */

static bool is_name_char(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');
}

/* Length of a separator within a part at s; 0: none. */
static size_t separator(const char *s)
{
    if (*s == '.')
        return 1;
    if (*s == '_')
        return s[1] == '_' ? 2 : 1;
    return strspn(s, "-");
}

static bool name_valid(const char *name)
{
    size_t n = strlen(name);
    if (n < 2 || n > 256)
        return false;
    for (const char *s = name;;) {
        if (!is_name_char(*s))
            return false;
        while (is_name_char(*s))
            s++;
        if (*s == '\0')
            return true;
        s += *s == '/' ? 1 : separator(s) ? separator(s) : 0;
        if (!is_name_char(*s))
            return false;
    }
}

/* ---- tag mutability ---- */

static bool excluded(const struct ecr_repository *r, const char *tag)
{
    for (size_t i = 0; i < r->image_tag_mutability_exclusion_filters.n; i++)
        if (fnmatch(r->image_tag_mutability_exclusion_filters.v[i].filter, tag,
                    FNM_NOESCAPE) == 0)
            return true;
    return false;
}

bool tag_may_move(const struct ecr_repository *r, const char *tag)
{
    switch (r->image_tag_mutability) {
    case ECR_IMAGE_TAG_MUTABILITY_IMMUTABLE:
        return false;
    case ECR_IMAGE_TAG_MUTABILITY_IMMUTABLE_WITH_EXCLUSION:
        return excluded(r, tag);
    case ECR_IMAGE_TAG_MUTABILITY_MUTABLE_WITH_EXCLUSION:
        return !excluded(r, tag);
    default:
        return true;
    }
}

static int filters_check(struct call *c, const struct ecr_create_repository_request *in)
{
    bool with =
        in->image_tag_mutability == ECR_IMAGE_TAG_MUTABILITY_IMMUTABLE_WITH_EXCLUSION ||
        in->image_tag_mutability == ECR_IMAGE_TAG_MUTABILITY_MUTABLE_WITH_EXCLUSION;
    size_t n = in->image_tag_mutability_exclusion_filters.n;
    if (with != (n > 0) || n > 5)
        return invalid(c, "imageTagMutabilityExclusionFilters",
                       "1 to 5 filters with a mutability that has exclusions, none with "
                       "others");
    for (size_t i = 0; i < n; i++) {
        const char *f = in->image_tag_mutability_exclusion_filters.v[i].filter;
        const char *star = strchr(f, '*');
        const char *second = star ? strchr(star + 1, '*') : NULL;
        if (second && strchr(second + 1, '*'))
            return invalid(c, "imageTagMutabilityExclusionFilters",
                           "a filter holds at most two wildcards");
    }
    return 0;
}

/* ---- tags of the resource ---- */

static int resource_tags_check(struct call *c, const struct ecr_tag_list *tags)
{
    if (tags->n > 50)
        return call_fault(c, &ecr_too_many_tags_exception,
                          "The list of tags on the repository is over the limit. The "
                          "maximum number of tags that can be applied to a repository is "
                          "50.");
    for (size_t i = 0; i < tags->n; i++) {
        const char *key = tags->v[i].key;
        if (str_empty(key) || utf8_length(key) > 128 || strncasecmp(key, "aws:", 4) == 0)
            return call_fault(c, &ecr_invalid_tag_parameter_exception,
                              "Tag keys must be 1 to 128 characters long and not begin "
                              "with 'aws:'.");
        if (tags->v[i].value && utf8_length(tags->v[i].value) > 256)
            return call_fault(c, &ecr_invalid_tag_parameter_exception,
                              "Tag values must be at most 256 characters long.");
    }
    return 0;
}

/* ---- operations ---- */

static const char *base64(struct arena *a, const char *text)
{
    size_t n = strlen(text);
    unsigned char *out = arena_alloc(a, 4 * ((n + 2) / 3) + 1);
    EVP_EncodeBlock(out, (const unsigned char *)text, (int)n);
    return (const char *)out;
}

int ecr_get_authorization_token(struct call *c,
                                const struct ecr_get_authorization_token_request *in,
                                struct ecr_get_authorization_token_response *out)
{
    const struct ecr_settings *settings = &ecr_of(c->core)->settings;
    for (size_t i = 0; i < in->registry_ids.n; i++)
        if (!streq(in->registry_ids.v[i], c->who.account_id))
            return invalid(c, "registryIds", "only the caller's own registry is offered");
    struct ecr_token token = {
        .access_key = c->who.access_key,
        .account = c->who.account_id,
        .region = c->region,
        .expires_at_ms = core_now_ms(c->core) + TOKEN_LIFE_MS,
        .session_token = c->who.session_token,
    };
    const char *password = ecr_token_make(&c->arena, settings->token_secret, &token);
    struct ecr_authorization_data *d = LIST_PUSH(&c->arena, &out->authorization_data);
    d->authorization_token = base64(&c->arena, call_printf(c, "AWS:%s", password));
    d->expires_at = SET_TIME(token.expires_at_ms);
    d->proxy_endpoint = call_own_url(c, settings->endpoint);
    return 0;
}

static void repository_fill(struct call *c, struct repository *r,
                            const struct ecr_create_repository_request *in)
{
    struct arena *a = &r->o.arena;
    const char *account = c->who.account_id;
    struct ecr_repository *rec = arena_new(a, struct ecr_repository);
    repository_init(r);
    r->rec->repository = rec;
    rec->repository_name = arena_strdup(a, in->repository_name);
    rec->registry_id = arena_strdup(a, account);
    rec->repository_arn = arena_printf(a, "arn:aws:ecr:%s:%s:repository/%s", c->region,
                                       account, in->repository_name);
    rec->repository_uri = arena_printf(a, "%s.dkr.ecr.%s.amazonaws.com/%s", account,
                                       c->region, in->repository_name);
    rec->created_at = SET_TIME(core_now_ms(c->core));
    rec->image_tag_mutability = in->image_tag_mutability
                                    ? in->image_tag_mutability
                                    : ECR_IMAGE_TAG_MUTABILITY_MUTABLE;
    for (size_t i = 0; i < in->image_tag_mutability_exclusion_filters.n; i++)
        wire_copy_into(a, &ecr_image_tag_mutability_exclusion_filter_shape,
                       &in->image_tag_mutability_exclusion_filters.v[i],
                       LIST_PUSH(a, &rec->image_tag_mutability_exclusion_filters));
    rec->image_scanning_configuration =
        arena_new(a, struct ecr_image_scanning_configuration);
    rec->image_scanning_configuration->scan_on_push = SET_BOOL(false);
    rec->encryption_configuration = arena_new(a, struct ecr_encryption_configuration);
    rec->encryption_configuration->encryption_type = ECR_ENCRYPTION_TYPE_AES256;
    for (size_t i = 0; i < in->tags.n; i++)
        wire_copy_into(a, &ecr_tag_shape, &in->tags.v[i], LIST_PUSH(a, &r->rec->tags));
}

int ecr_create_repository(struct call *c, const struct ecr_create_repository_request *in,
                          struct ecr_create_repository_response *out)
{
    struct ecr_scope scope = call_scope(c);
    if (!name_valid(in->repository_name))
        return invalid(
            c, "repositoryName",
            "must satisfy regular expression "
            "'(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*'");
    if (in->registry_id && !streq(in->registry_id, scope.account))
        return invalid(c, "registryId", "only the caller's own registry is offered");
    if (in->image_scanning_configuration &&
        in->image_scanning_configuration->scan_on_push.v)
        return invalid(c, "imageScanningConfiguration",
                       "image scanning is not offered by this gantry");
    if (in->encryption_configuration &&
        in->encryption_configuration->encryption_type != ECR_ENCRYPTION_TYPE_AES256)
        return call_fault(c, &ecr_kms_exception,
                          "KMS encryption is not offered by this gantry.");
    if (filters_check(c, in) < 0 || resource_tags_check(c, &in->tags) < 0)
        return -1;
    if (repository_find(c->core, &scope, in->repository_name))
        return call_fault(c, &ecr_repository_already_exists_exception,
                          "The repository with name '%s' already exists in the registry "
                          "with id '%s'",
                          in->repository_name, scope.account);
    struct repository *r =
        object_new(c->core, ecr_of(c->core)->repositories,
                   ecr_key(&c->arena, "repository", &scope, in->repository_name));
    repository_fill(c, r, in);
    object_save(c->core, &r->o);
    out->repository = wire_copy(&c->arena, &ecr_repository_shape, r->rec->repository);
    return 0;
}

static void add_repository(struct call *c, const struct repository *r,
                           struct ecr_repository_list *ret)
{
    wire_copy_into(&c->arena, &ecr_repository_shape, r->rec->repository,
                   LIST_PUSH(&c->arena, ret));
}

int ecr_describe_repositories(struct call *c,
                              const struct ecr_describe_repositories_request *in,
                              struct ecr_describe_repositories_response *out)
{
    struct ecr_scope scope = call_scope(c);
    out->repositories.set = true;
    for (size_t i = 0; i < in->repository_names.n; i++) {
        struct repository *r;
        if (repository_require(c, in->registry_id, in->repository_names.v[i], &r) < 0)
            return -1;
        add_repository(c, r, &out->repositories);
    }
    if (in->repository_names.n > 0 || registry_check(c, in->registry_id, "*") < 0)
        return c->fault ? -1 : 0;
    size_t limit = in->max_results.set ? (size_t)in->max_results.v : 100;
    const char *prefix = ecr_key(&c->arena, "repository", &scope, ""), *at = prefix;
    if (in->next_token &&
        (!page_position(&c->arena, in->next_token, &at) || !str_starts(at, prefix)))
        return invalid(c, "nextToken", "must be a token that this operation returned");
    struct repository *r;
    while ((r = table_next(ecr_of(c->core)->repositories, prefix, at))) {
        if (out->repositories.n == limit) {
            out->next_token = page_token(&c->arena, at);
            break;
        }
        add_repository(c, r, &out->repositories);
        at = r->o.key;
    }
    return 0;
}

/* Everything of one table that the repository holds. */
static void remove_links(struct core *core, const struct ecr_scope *s, const char *name)
{
    struct table *links = ecr_of(core)->links;
    const char *prefix = ecr_part_key(core_scratch(core), "blob", s, name, "");
    struct blob_link *l;
    while ((l = table_next(links, prefix, prefix)))
        ecr_blob_unlink(core, s, name,
                        arena_strdup(core_scratch(core), ecr_part_name(&l->o)));
}

static struct manifest *first_manifest(struct core *core, const struct ecr_scope *s,
                                       const char *name)
{
    const char *prefix = ecr_part_key(core_scratch(core), "manifest", s, name, "");
    return table_next(ecr_of(core)->manifests, prefix, prefix);
}

int ecr_delete_repository(struct call *c, const struct ecr_delete_repository_request *in,
                          struct ecr_delete_repository_response *out)
{
    struct repository *r;
    struct manifest *m;
    struct ecr_scope scope = call_scope(c);
    const char *name = in->repository_name;
    if (repository_require(c, in->registry_id, name, &r) < 0)
        return -1;
    if (first_manifest(c->core, &scope, name) && !in->force.v)
        return call_fault(
            c, &ecr_repository_not_empty_exception,
            "The repository with name '%s' in registry with id '%s' cannot be "
            "deleted because it still contains images",
            name, scope.account);
    while ((m = first_manifest(c->core, &scope, name)))
        manifest_remove(c->core, &scope, name, m);
    remove_links(c->core, &scope, name);
    out->repository = wire_copy(&c->arena, &ecr_repository_shape, r->rec->repository);
    object_delete(c->core, &r->o);
    return 0;
}
