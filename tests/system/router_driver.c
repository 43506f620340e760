/* router_driver.c: the edge's router, and the wiring of interfaces, for
 * tests/system/test_vpc_*.py.
 *
 *     router_driver dir=… run=… pool=… server=… dns=…        purge=1: removes all and ends
 * Commands are lines on standard input, each answered by a line "ok <microseconds>" or
 * "error <text>":
 *     begin | settled | sync
 *     vpc {EdgeVpc} | interface {EdgeInterface} | vpc_gone <id> | interface_gone <vpc> <id>
 *     attach <vpc> <id> <mac> <address> <namespace> <name>
 *     detach <vpc> <id>
 *     ready <vpc> <id> <mac> <address>
 * It ends with its input, and leaves everything in force. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "log.h"
#include "router.h"
#include "router_rules.h"

#define TIMEOUT_MS 20000

static struct router_config config;
static struct router *router;

static void *decode(struct arena *a, const struct wire_shape *shape, const char *text)
{
    struct wire_error e;
    void *ret = NULL;
    if (wire_json_decode(a, shape, text, strlen(text), true, &ret, &e) < 0) {
        fprintf(stderr, "not a %s: %s\n", shape->name, text);
        exit(2);
    }
    return ret;
}

static struct vpc_interface interface(char *const word[])
{
    struct vpc_interface i = {.vpc_id = word[1], .interface_id = word[2]};
    if (!router_mac(word[3], i.mac) || inet_pton(AF_INET, word[4], &i.address_be) != 1)
        exit(2);
    return i;
}

static int wiring(char *word[], int words, struct error *err)
{
    if (streq(word[0], "detach") && words == 3)
        return vpc_detach(&config.place, word[1], word[2], err);
    if (streq(word[0], "ready") && words == 5) {
        struct vpc_interface i = interface(word);
        return vpc_interface_ready(&config.place, &i, TIMEOUT_MS, err);
    }
    if (!streq(word[0], "attach") || words != 7)
        return fail(err, E_INVALID, "no such command");
    struct vpc_wiring w = {.interface = interface(word),
                           .netns_path = word[5],
                           .name = word[6],
                           .routes = VPC_DEFAULT_ROUTE};
    return vpc_attach(&config.place, &w, err);
}

static int run_words(char *line, struct error *err)
{
    char *word[8] = {0}, *save = NULL;
    int n = 0;
    for (char *w = strtok_r(line, " ", &save); w && n < 8; w = strtok_r(NULL, " ", &save))
        word[n++] = w;
    if (n == 1 && streq(word[0], "begin"))
        router_begin(router);
    else if (n == 1 && streq(word[0], "settled"))
        router_settled(router);
    else if (n == 1 && streq(word[0], "sync"))
        return router_sync(router, TIMEOUT_MS, err);
    else if (n == 2 && streq(word[0], "vpc_gone"))
        router_vpc_gone(router, word[1]);
    else if (n == 3 && streq(word[0], "interface_gone"))
        router_interface_gone(router, word[1], word[2]);
    else
        return n ? wiring(word, n, err) : 0;
    return 0;
}

static int run_line(char *line, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    if (str_starts(line, "vpc {"))
        router_vpc(router, decode(&a, &gantry_edge_vpc_shape, line + 4));
    else if (str_starts(line, "interface {"))
        router_interface(router, decode(&a, &gantry_edge_interface_shape, line + 10));
    else
        return run_words(line, err);
    return 0;
}

static void serve(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        struct error err = ERROR_INIT;
        line[n - 1] = '\0';
        int64_t begin = clock_mono_ns();
        if (run_line(line, &err) < 0)
            printf("error %s\n", err.text);
        else
            printf("ok %lld\n", (long long)((clock_mono_ns() - begin) / 1000));
        fflush(stdout);
    }
    free(line);
}

int main(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    bool purge = false;
    for (int i = 1; i < argc; i++) {
        const struct {
            const char *key, **at;
        } texts[] = {{"dir=", &config.place.dir},
                     {"run=", &config.run},
                     {"pool=", &config.public_pool},
                     {"server=", &config.server_url},
                     {"dns=", &config.dns_address}};
        for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
            if (str_starts(argv[i], texts[k].key))
                *texts[k].at = argv[i] + strlen(texts[k].key);
        purge |= streq(argv[i], "purge=1");
    }
    log_init("router", LOG_INFO);
    int r = purge ? router_purge(&config, &err) : router_new(&config, &router, &err);
    if (r < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (!purge) {
        serve();
        router_free(router);
    }
    return 0;
}
