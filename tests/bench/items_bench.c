/* DynamoDB's item store alone: `items_bench DIR [ITEMS]`. Items of ten attributes, about 500
 * bytes; reads by one reading thread with 64 waiting, from the stored bytes to the bytes of the
 * answer; writes by the one writer, by how many wait together. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "item_key.h"
#include "item_row.h"
#include "wire.h"

static struct item_schema *schema;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static unsigned waiting;

enum work { GET, PUT };

struct unit {
    struct item_job job;
    enum work work;
    unsigned number;
    bool busy;
};

static void make(struct arena *a, unsigned number, attribute_map *ret)
{
    attribute_value v = {.s = arena_printf(a, "user#%08u", number)};
    *ret = (attribute_map){.set = true};
    item_set(a, ret, "k", &v);
    for (int i = 0; i < 9; i++) {
        v = (attribute_value){
            .s =
                i % 3 ? arena_printf(a, "value %d of user %u, in text", i, number) : NULL,
            .n = i % 3 ? NULL : arena_printf(a, "%u", number * 7u)};
        item_set(a, ret, arena_printf(a, "attribute%d", i), &v);
    }
}

static int run(struct item_job *job, struct item_tx *tx, struct error *err)
{
    struct unit *u = list_entry(job, struct unit, job);
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR key = STR_INIT;
    attribute_map item, old;
    struct write_cost cost = {0};
    make(&a, u->number, &item);
    item_key_add(&schema->key, &item, &key);
    const struct item_bytes k = {(const uint8_t *)key.data, key.len};
    int r = item_row_read(tx, schema, k, &a, &old, err);
    if (u->work == PUT)
        return r == 0 || r == -E_NOTFOUND
                   ? item_row_write(tx, schema, k, r == 0 ? &old : NULL, &item, &cost,
                                    err)
                   : r;
    struct dynamodb_get_item_output out = {.item = old};
    AUTO_STR answer = STR_INIT;
    if (r == 0)
        wire_json_encode(&answer, &dynamodb_get_item_output_shape, &out);
    return r;
}

static void done(struct item_job *job, int result, const struct error *err)
{
    struct unit *u = list_entry(job, struct unit, job);
    if (result < 0) {
        fprintf(stderr, "%s\n", err->text);
        exit(1);
    }
    pthread_mutex_lock(&lock);
    u->busy = false;
    waiting--;
    pthread_cond_signal(&ended);
    pthread_mutex_unlock(&lock);
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void hand(struct item_store *s, struct unit *u, enum work work, unsigned number)
{
    *u = (struct unit){
        .job = {.run = run, .done = done}, .work = work, .number = number, .busy = true};
    waiting++;
    pthread_mutex_unlock(&lock);
    if (work == GET)
        item_store_read(s, &u->job);
    else
        item_store_write(s, &u->job);
    pthread_mutex_lock(&lock);
}

static void measure(struct item_store *s, enum work work, unsigned depth, unsigned count,
                    unsigned items, bool in_order)
{
    struct unit *units = xcalloc(depth, sizeof(*units));
    int64_t began = clock_mono_ns();
    double cpu = cpu_s();
    unsigned given = 0;
    pthread_mutex_lock(&lock);
    while (given < count || waiting) {
        for (unsigned i = 0; i < depth && given < count; i++)
            if (!units[i].busy) {
                hand(s, &units[i], work, in_order ? given : (unsigned)rand() % items);
                given++;
            }
        if (waiting)
            pthread_cond_wait(&ended, &lock);
    }
    pthread_mutex_unlock(&lock);
    double wall = (double)(clock_mono_ns() - began) / 1e9;
    printf("%s %4u waiting: %8.0f a second, %8.0f a second of processor time\n",
           work == GET ? "get" : "put", depth, count / wall, count / (cpu_s() - cpu));
    free(units);
}

static struct item_schema *schema_make(void)
{
    struct dynamodb_key_schema_element key = {"k", DYNAMODB_KEY_TYPE_HASH};
    struct dynamodb_attribute_definition type = {"k", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S};
    struct dynamodb_table_description table = {
        .attribute_definitions = {.v = &type, .n = 1},
        .key_schema = {.v = &key, .n = 1},
        .table_name = "bench",
        .table_arn = "arn:aws:dynamodb:us-east-1:000000000000:table/bench",
    };
    struct gantry_dynamodb_table_record rec = {.table = &table, .space = SET_LONG(77)};
    return item_schema_new(&rec);
}

int main(int argc, char **argv)
{
    struct item_store *s;
    struct error err = ERROR_INIT;
    unsigned items = argc > 2 ? (unsigned)atoi(argv[2]) : 100000;
    if (argc < 2 || item_store_open(argv[1], 1, &s, &err) < 0) {
        fprintf(stderr, "items_bench DIR [ITEMS]: %s\n", err.text);
        return 1;
    }
    schema = schema_make();
    measure(s, PUT, 512, items, items, true);
    measure(s, GET, 64, items, items, false);
    measure(s, GET, 1, items / 2, items, false);
    measure(s, PUT, 1, 1000, items, false);
    measure(s, PUT, 64, items / 5, items, false);
    item_store_close(s);
    item_schema_unref(schema);
    return 0;
}
