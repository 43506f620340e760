/* The store of items: order, groups, savepoints, and what a full disk leaves behind. */
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "item_store.h"
#include "str.h"

#define SPACE 7

/* ---- a job that a test waits for ---- */

struct work {
    struct item_job job;
    int (*run)(struct work *, struct item_tx *, struct error *err);
    const char *key, *value;
    struct str seen;
    int result;
    struct error error;
    bool ended;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;

static struct item_bytes text(const char *s)
{
    return (struct item_bytes){(const uint8_t *)s, strlen(s)};
}

static int job_run(struct item_job *job, struct item_tx *tx, struct error *err)
{
    struct work *w = list_entry(job, struct work, job);
    return w->run(w, tx, err);
}

static void job_done(struct item_job *job, int result, const struct error *err)
{
    struct work *w = list_entry(job, struct work, job);
    pthread_mutex_lock(&lock);
    w->result = result;
    w->error = *err;
    w->ended = true;
    pthread_cond_broadcast(&news);
    pthread_mutex_unlock(&lock);
}

static void hand(struct item_store *s, struct work *w, bool writes)
{
    w->job = (struct item_job){.run = job_run, .done = job_done, .frees = w->job.frees};
    if (writes)
        item_store_write(s, &w->job);
    else
        item_store_read(s, &w->job);
}

static int await(struct work *w)
{
    pthread_mutex_lock(&lock);
    while (!w->ended)
        pthread_cond_wait(&news, &lock);
    pthread_mutex_unlock(&lock);
    return w->result;
}

static int put(struct work *w, struct item_tx *tx, struct error *err)
{
    const struct item_totals one = {.rows = 1, .bytes = (int64_t)strlen(w->value)};
    int r = row_put(tx, SPACE, text(w->key), text(w->value), err);
    if (r == 0)
        r = entry_put(tx, SPACE + 1, text(w->key), err);
    return r < 0 ? r : totals_add(tx, SPACE, &one, err);
}

static int put_and_refuse(struct work *w, struct item_tx *tx, struct error *err)
{
    int r = put(w, tx, err);
    return r < 0 ? r : fail(err, E_DENIED, "not this one");
}

static int see(void *ctx, struct item_bytes key, struct item_bytes value,
               struct error *err)
{
    struct work *w = ctx;
    str_addf(&w->seen, "%.*s=%.*s ", (int)key.size, (const char *)key.data,
             (int)value.size, value.size ? (const char *)value.data : "");
    return w->value && w->seen.len >= (size_t)atoi(w->value);
}

/* key: "up", "down", "entries" */
static int list(struct work *w, struct item_tx *tx, struct error *err)
{
    bool entries = streq(w->key, "entries");
    const struct item_range range = {.space = entries ? SPACE + 1 : SPACE,
                                     .from = text("b"),
                                     .to = text("y"),
                                     .backward = streq(w->key, "down"),
                                     .entries = entries};
    return rows_walk(tx, &range, see, w, err);
}

static int count(struct work *w, struct item_tx *tx, struct error *err)
{
    struct item_totals n;
    int r = totals_get(tx, SPACE, &n, err);
    str_addf(&w->seen, "%lld/%lld", (long long)n.rows, (long long)n.bytes);
    return r;
}

static char *now(struct item_store *s, const char *way)
{
    struct work w = {.run = streq(way, "count") ? count : list, .key = way};
    hand(s, &w, false);
    assert_int_equal(await(&w), 0);
    str_addc(&w.seen, '\0');
    return w.seen.data;
}

static void expect(struct item_store *s, const char *way, const char *want)
{
    char *seen = now(s, way);
    assert_string_equal(seen, want);
    free(seen);
}

/* ---- a store of the test's own ---- */

struct place {
    char dir[64];
    struct item_store *s;
};

static void open_at(struct place *p)
{
    struct error err = ERROR_INIT;
    assert_int_equal(item_store_open(p->dir, 2, &p->s, &err), 0);
}

static int setup(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));
    snprintf(p->dir, sizeof(p->dir), "/tmp/items-test-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    open_at(p);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char path[128];
    item_store_close(p->s);
    static const char *const names[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/dynamodb.db%s", p->dir, names[i]);
        (void)unlink(path);
    }
    rmdir(p->dir);
    free(p);
    return 0;
}

static int write_one(struct item_store *s, const char *key, const char *value)
{
    struct work w = {.run = put, .key = key, .value = value};
    hand(s, &w, true);
    return await(&w);
}

/* ---- tests ---- */

static void rows_are_told_in_order(void **state)
{
    struct place *p = *state;
    static const char *const keys[] = {"c", "a", "y", "b", "bb", "x"};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(write_one(p->s, keys[i], keys[i]), 0);
    expect(p->s, "up", "b=b bb=bb c=c x=x ");
    expect(p->s, "down", "x=x c=c bb=bb b=b ");
    expect(p->s, "entries", "b= bb= c= x= ");
    expect(p->s, "count", "6/7");
    struct work first = {.run = list, .key = "up", .value = "1"};
    hand(p->s, &first, false);
    assert_int_equal(await(&first), 0);
    assert_string_equal(first.seen.data, "b=b ");
    str_free(&first.seen);
}

static void what_is_there_survives_a_restart(void **state)
{
    struct place *p = *state;
    assert_int_equal(write_one(p->s, "b", "1"), 0);
    assert_int_equal(write_one(p->s, "b", "2"), 0);
    item_store_close(p->s);
    open_at(p);
    expect(p->s, "up", "b=2 ");
}

/* One that is refused takes back its own work and nobody else's, also within one group. */
static void a_refusal_hurts_nobody(void **state)
{
    struct place *p = *state;
    struct work w[40] = {{.run = put}};
    char keys[40][8];
    for (int i = 0; i < 40; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%02d", i);
        w[i] = (struct work){
            .run = i % 2 ? put_and_refuse : put, .key = keys[i], .value = "v"};
        hand(p->s, &w[i], true);
    }
    for (int i = 0; i < 40; i++) {
        assert_int_equal(await(&w[i]), i % 2 ? -E_DENIED : 0);
        if (i % 2)
            assert_string_equal(w[i].error.text, "not this one");
    }
    expect(p->s, "count", "20/20");
    char *seen = now(p->s, "up");
    assert_non_null(strstr(seen, "k38=v "));
    assert_null(strstr(seen, "k39"));
    free(seen);
    struct item_counters n;
    item_store_counters(p->s, &n);
    assert_int_equal(n.writes, 40);
    assert_true(n.commits <= 40);
}

static int forget(struct work *w, struct item_tx *tx, struct error *err)
{
    return rows_forget(tx, SPACE, 3, err);
}

static void a_space_is_forgotten_in_steps(void **state)
{
    struct place *p = *state;
    for (int c = 'b'; c < 'i'; c++)
        assert_int_equal(write_one(p->s, (char[]){(char)c, 0}, "v"), 0);
    int steps = 0, r;
    do {
        struct work w = {.run = forget};
        hand(p->s, &w, true);
        r = await(&w);
        steps++;
    } while (r > 0);
    assert_int_equal(r, 0);
    assert_int_equal(steps, 3);
    expect(p->s, "up", "");
    expect(p->s, "count", "0/0");
    expect(p->s, "entries", "b= c= d= e= f= g= h= "); /* another space */
}

/* The disk says no in the middle of a job: all of it is refused, nothing is half done, and
 * the store goes on when there is room again. */
static void a_full_disk_leaves_nothing_half_done(void **state)
{
    struct place *p = *state;
    static char large[400 * 1024];
    struct rlimit before, tight;
    memset(large, 'x', sizeof(large) - 1);
    assert_int_equal(write_one(p->s, "b", "kept"), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    tight = before;
    tight.rlim_cur = 128 * 1024;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int r = write_one(p->s, "c", large);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(r == -E_IO || r == -E_FULL);
    expect(p->s, "up", "b=kept ");
    expect(p->s, "entries", "b= ");
    expect(p->s, "count", "1/4");
    assert_int_equal(write_one(p->s, "d", "again"), 0);
    expect(p->s, "up", "b=kept d=again ");
}

/* What others need of the disk is left to them. */
static void the_reserve_is_left(void **state)
{
    struct place *p = *state;
    item_store_set_reserve(p->s, UINT64_MAX);
    assert_int_equal(write_one(p->s, "b", "v"), -E_FULL);
    expect(p->s, "count", "0/0");
    struct work w = {.run = put, .key = "c", .value = "v", .job.frees = true};
    hand(p->s, &w, true);
    assert_int_equal(await(&w), 0);
    expect(p->s, "up", "c=v ");
}

static void a_file_that_is_none_is_refused(void **state)
{
    struct place *p = *state;
    char path[128];
    struct error err = ERROR_INIT;
    item_store_close(p->s);
    p->s = NULL;
    snprintf(path, sizeof(path), "%s/dynamodb.db", p->dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database", f);
    fclose(f);
    assert_true(item_store_open(p->dir, 1, &p->s, &err) < 0);
    assert_int_equal(err.code, E_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_told_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_there_survives_a_restart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_refusal_hurts_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_space_is_forgotten_in_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_nothing_half_done, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_reserve_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_none_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
