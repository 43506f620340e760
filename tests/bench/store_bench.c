/* Commits a second of the SQLite store, by size of batch: `store_bench DIR`. */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "store.h"

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void run(struct store *s, unsigned batch_size, unsigned commits)
{
    int64_t *took = xcalloc(commits, sizeof(*took));
    static const char value[1500];
    int64_t start = clock_mono_ns();
    for (unsigned i = 0; i < commits; i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct store_batch b;
        store_batch_init(&b, &a);
        for (unsigned k = 0; k < batch_size; k++)
            store_batch_put_ref(
                &b,
                arena_printf(&a, "/ecs/task/000000000000/us-east-1/%08x", rand() % 20000),
                value, sizeof(value));
        struct error err = ERROR_INIT;
        int64_t t = clock_mono_ns();
        if (store_commit(s, &b, &err) < 0) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
        took[i] = clock_mono_ns() - t;
    }
    double all = (double)(clock_mono_ns() - start) / 1e9;
    qsort(took, commits, sizeof(*took), compare);
    printf("batch %4u: %7.0f commits/s %8.0f puts/s   p50 %6.0f us  p99 %6.0f us\n",
           batch_size, commits / all, commits * batch_size / all,
           (double)took[commits / 2] / 1e3, (double)took[commits * 99 / 100] / 1e3);
    free(took);
}

int main(int argc, char **argv)
{
    struct store *s;
    struct error err = ERROR_INIT;
    if (argc != 2 || store_sqlite_open(argv[1], &s, &err) < 0) {
        fprintf(stderr, "store_bench DIR: %s\n", err.text);
        return 1;
    }
    run(s, 1, 2000);
    run(s, 10, 1000);
    run(s, 100, 300);
    store_close(s);
    return 0;
}
