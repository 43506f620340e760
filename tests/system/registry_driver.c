/* A registry on a free port, for the system tests: `registry_driver DIR REPOSITORY…`.
 * Prints "PORT PASSWORD" (the user is AWS) when it answers, and serves until its standard
 * input ends. Its state is in memory, its blobs are in DIR. */
#include <unistd.h>

#include "world.h"

int main(int argc, char **argv)
{
    struct world w = {.store = NULL};
    AUTO_ARENA a = ARENA_INIT;
    char c;
    if (argc < 2) {
        fprintf(stderr, "usage: registry_driver DIR REPOSITORY...\n");
        return 2;
    }
    snprintf(w.dir, sizeof(w.dir), "%s", argv[1]);
    store_memory_open(&w.store, NULL);
    world_start(&w, "127.0.0.1:0", false, false);
    for (int i = 2; i < argc; i++)
        repository_make(&w, argv[i]);
    printf("%u %s\n", http_server_port(w.http),
           world_token(&a, clock_wall_ms() + 12LL * 3600 * 1000));
    fflush(stdout);
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
    world_stop(&w);
    store_close(w.store);
    return 0;
}
