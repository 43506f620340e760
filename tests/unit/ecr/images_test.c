/* What repositories hold, under a virtual clock: tags, manifests, blob links, tokens, and
 * that what nothing names is given up: not too early, and after a restart too. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "core.h"
#include "ecr.h"
#include "ecr_state.h"

#define HOUR_MS (60 * 60 * 1000LL)

struct world {
    int64_t now_ms;
    uint64_t seed;
    struct store *store;
    struct core *core;
    char unused[16][80]; /* digests that blob_unused() was called for */
    int unused_count;
};

static const struct ecr_scope scope = {"000000000000", "us-east-1"};

static int64_t virtual_now(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static void seeded_random(void *ctx, void *ret, size_t size)
{
    memset(ret, (int)++((struct world *)ctx)->seed, size);
}

static void note_unused(void *ctx, const char *digest)
{
    struct world *w = ctx;
    assert_true(w->unused_count < 16);
    snprintf(w->unused[w->unused_count++], 80, "%s", digest);
}

static bool was_unused(const struct world *w, const char *digest)
{
    for (int i = 0; i < w->unused_count; i++)
        if (streq(w->unused[i], digest))
            return true;
    return false;
}

static void open_core(struct world *w)
{
    struct outside out = {.ctx = w, .wall_ms = virtual_now, .random = seeded_random};
    struct core_config config = {.region = scope.region, .account_id = scope.account};
    struct ecr_settings settings = {.token_secret = "secret",
                                    .endpoint = "http://x",
                                    .blob_unused = note_unused,
                                    .ctx = w};
    struct error err;
    w->core = core_new(&config, &out);
    ecr_attach(w->core, &settings);
    assert_int_equal(core_load(w->core, w->store, &err), 0);
}

static void settle(struct world *w)
{
    struct error err;
    while (core_react(w->core, 0))
        ;
    struct core_batch *b = core_take_batch(w->core);
    if (!b)
        return;
    assert_int_equal(store_commit(w->store, &b->writes, &err), 0);
    core_batch_deliver(b);
}

struct step {
    struct core_task task;
    void (*body)(struct core *core, void *arg);
    void *arg;
};

static void step_run(struct core *core, struct core_task *task)
{
    struct step *s = list_entry(task, struct step, task);
    s->body(core, s->arg);
}

static void run(struct world *w, void (*body)(struct core *, void *), void *arg)
{
    struct step s = {.task = {.run = step_run}, .body = body, .arg = arg};
    core_execute(w->core, &s.task);
    settle(w);
}

static void make_repository(struct core *core, void *name)
{
    const char *key = ecr_key(core_scratch(core), "repository", &scope, name);
    struct repository *r = object_new(core, ecr_of(core)->repositories, key);
    struct arena *a = &r->o.arena;
    repository_init(r);
    r->rec->repository = arena_new(a, struct ecr_repository);
    r->rec->repository->repository_name = arena_strdup(a, name);
    r->rec->repository->repository_arn =
        arena_printf(a, "arn:aws:ecr:us-east-1:000000000000:repository/%s", (char *)name);
    object_save(core, &r->o);
}

static int world_new(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct error err;
    w->now_ms = 1700000000000;
    assert_int_equal(store_memory_open(&w->store, &err), 0);
    open_core(w);
    run(w, make_repository, "a/b");
    *state = w;
    return 0;
}

static int world_free(void **state)
{
    struct world *w = *state;
    core_free(w->core);
    store_close(w->store);
    free(w);
    return 0;
}

static void link_layers(struct core *core, void *arg)
{
    assert_int_equal(ecr_blob_link(core, &scope, "a/b", "sha256:l1", 10), ECR_OK);
    assert_int_equal(ecr_blob_link(core, &scope, "a/b", "sha256:l2", 20), ECR_OK);
}

static void put(struct core *core, const char *digest, const char *layer, const char *tag,
                enum ecr_result wanted)
{
    const char *blobs[] = {layer};
    struct ecr_manifest m = {.digest = digest,
                             .media_type = "application/vnd.oci.image.manifest.v1+json",
                             .size_bytes = 100,
                             .blobs = {.v = blobs, .n = 1, .set = true}};
    const struct string_list tags = {.v = &tag, .n = tag ? 1 : 0, .set = true};
    const char *immutable = NULL;
    assert_int_equal(ecr_manifest_put(core, &scope, "a/b", &m, &tags, &immutable),
                     wanted);
    if (wanted == ECR_TAG_IMMUTABLE)
        assert_string_equal(immutable, tag);
}

static void put_two(struct core *core, void *arg)
{
    put(core, "sha256:m1", "sha256:l1", "one", ECR_OK);
    put(core, "sha256:m2", "sha256:l2", "two", ECR_OK);
}

static void delete_first(struct core *core, void *arg)
{
    assert_int_equal(ecr_manifest_delete(core, &scope, "a/b", "sha256:m1"), ECR_OK);
}

static void layers_go_an_hour_after_their_last_image(void **state)
{
    struct world *w = *state;
    int64_t size;
    run(w, link_layers, NULL);
    run(w, put_two, NULL);
    w->now_ms += 10 * HOUR_MS;
    settle(w);
    assert_int_equal(w->unused_count, 0);
    run(w, delete_first, NULL);
    assert_true(was_unused(w, "sha256:m1"));
    assert_false(was_unused(w, "sha256:l1"));
    w->now_ms += HOUR_MS - 1;
    settle(w);
    assert_int_equal(ecr_blob_find(w->core, &scope, "a/b", "sha256:l1", &size), ECR_OK);
    w->now_ms += 1;
    settle(w);
    assert_int_equal(ecr_blob_find(w->core, &scope, "a/b", "sha256:l1", &size),
                     ECR_NO_BLOB);
    assert_int_equal(ecr_blob_find(w->core, &scope, "a/b", "sha256:l2", &size), ECR_OK);
    assert_true(was_unused(w, "sha256:l1"));
    assert_false(was_unused(w, "sha256:l2"));
}

static void a_restart_does_not_forget_to_sweep(void **state)
{
    struct world *w = *state;
    run(w, link_layers, NULL);
    run(w, put_two, NULL);
    run(w, delete_first, NULL);
    core_free(w->core);
    open_core(w);
    w->now_ms += HOUR_MS;
    settle(w);
    assert_true(was_unused(w, "sha256:l1"));
    assert_false(was_unused(w, "sha256:l2"));
}

/* A layer that was just pushed waits for its manifest. */
static void young_layers_stay(void **state)
{
    struct world *w = *state;
    run(w, put_two, NULL);
    run(w, delete_first, NULL);
    w->now_ms += HOUR_MS / 2;
    run(w, link_layers, NULL);
    w->now_ms += HOUR_MS / 2;
    settle(w);
    assert_int_equal(w->unused_count, 1); /* the manifest */
}

static void two_names(struct core *core, void *arg)
{
    make_repository(core, "other");
    assert_int_equal(ecr_blob_link(core, &scope, "other", "sha256:l1", 10), ECR_OK);
}

static void unlink_first(struct core *core, void *arg)
{
    assert_int_equal(ecr_blob_unlink(core, &scope, arg, "sha256:l1"), ECR_OK);
}

static void a_file_goes_with_its_last_name(void **state)
{
    struct world *w = *state;
    run(w, link_layers, NULL);
    run(w, two_names, NULL);
    run(w, unlink_first, "a/b");
    assert_true(ecr_digest_used(w->core, "sha256:l1"));
    assert_int_equal(w->unused_count, 0);
    run(w, unlink_first, "other");
    assert_false(ecr_digest_used(w->core, "sha256:l1"));
    assert_true(was_unused(w, "sha256:l1"));
}

static void tags(struct core *core, void *arg)
{
    const struct gantry_manifest_record *found;
    struct string_list names = {0};
    AUTO_ARENA a = ARENA_INIT;
    put_two(core, NULL);
    put(core, "sha256:m2", "sha256:l2", "one", ECR_OK); /* moves */
    assert_int_equal(ecr_manifest_find(core, &scope, "a/b", "one", &found), ECR_OK);
    assert_string_equal(found->digest, "sha256:m2");
    assert_int_equal(ecr_manifest_find(core, &scope, "a/b", "sha256:m1", &found), ECR_OK);
    assert_int_equal(ecr_manifest_find(core, &scope, "a/b", "none", &found),
                     ECR_NO_IMAGE);
    assert_int_equal(ecr_manifest_find(core, &scope, "b", "one", &found),
                     ECR_NO_REPOSITORY);
    assert_true(ecr_tags(core, &scope, "a/b", NULL, 1, &a, &names));
    assert_string_equal(names.v[0], "one");
    names = (struct string_list){0};
    assert_false(ecr_tags(core, &scope, "a/b", "one", 1, &a, &names));
    assert_string_equal(names.v[0], "two");
    struct repository *r = repository_find(core, &scope, "a/b");
    r->rec->repository->image_tag_mutability = ECR_IMAGE_TAG_MUTABILITY_IMMUTABLE;
    put(core, "sha256:m1", "sha256:l1", "two", ECR_TAG_IMMUTABLE);
    put(core, "sha256:m2", "sha256:l2", "two", ECR_OK); /* the same: no move */
}

static void tags_move_unless_immutable(void **state)
{
    run(*state, tags, NULL);
}

static void tokens_are_signed(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct ecr_token t = {"AKIA", "123456789012", "eu-west-1", 42}, back;
    const char *password = ecr_token_make(&a, "secret", &t);
    assert_true(ecr_token_check(&a, "secret", password, &back));
    assert_string_equal(back.access_key, "AKIA");
    assert_string_equal(back.account, "123456789012");
    assert_string_equal(back.region, "eu-west-1");
    assert_int_equal(back.expires_at_ms, 42);
    assert_false(ecr_token_check(&a, "other", password, &back));
    for (size_t i = 0; i < strlen(password); i++) {
        char *bad = arena_strdup(&a, password);
        bad[i] = bad[i] == '1' ? '2' : '1';
        assert_false(ecr_token_check(&a, "secret", bad, &back));
    }
    assert_false(ecr_token_check(&a, "secret", "", &back));
    assert_false(ecr_token_check(&a, "secret", "no token at all", &back));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(layers_go_an_hour_after_their_last_image),
        TEST(a_restart_does_not_forget_to_sweep),
        TEST(young_layers_stay),
        TEST(a_file_goes_with_its_last_name),
        TEST(tags_move_unless_immutable),
        cmocka_unit_test(tokens_are_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
