/* balancer_driver.c: load balancers as a program of their own, for
 * tests/system/test_balancer.py.
 *
 *     balancer_driver run|purge KEY=VALUE…
 * `run` reads EdgeMessage lines from standard input and writes one JSON line for each report
 * (EdgeReport with one entry); it ends at the end of its input, and HAProxy goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "balancers.h"
#include "log.h"
#include "str.h"

static struct balancers_config config;

static void print_report(const struct gantry_edge_report *r)
{
    AUTO_STR text = STR_INIT;
    wire_json_encode(&text, &gantry_edge_report_shape, r);
    str_addc(&text, '\n');
    fwrite(text.data, 1, text.len, stdout); /* one call: lines of threads don't mix */
    fflush(stdout);
}

static void state(void *ctx, const struct gantry_edge_balancer_state *s)
{
    struct gantry_edge_balancer_state copy = *s;
    print_report(
        &(struct gantry_edge_report){.balancers = {.v = &copy, .n = 1, .set = true}});
}

static void health(void *ctx, const struct gantry_edge_target_health *h)
{
    struct gantry_edge_target_health copy = *h;
    print_report(
        &(struct gantry_edge_report){.target_health = {.v = &copy, .n = 1, .set = true}});
}

static void traffic(void *ctx, const struct gantry_edge_traffic *t)
{
    struct gantry_edge_traffic copy = *t;
    print_report(
        &(struct gantry_edge_report){.traffic = {.v = &copy, .n = 1, .set = true}});
}

static void on_desired(struct balancers *b, const struct gantry_edge_message *m)
{
    balancers_begin(b);
    for (size_t i = 0; i < m->balancers.n; i++)
        balancers_balancer(b, &m->balancers.v[i]);
    for (size_t i = 0; i < m->target_groups.n; i++)
        balancers_targets(b, &m->target_groups.v[i]);
    balancers_settled(b);
}

static void on_line(struct balancers *b, const char *line, size_t len)
{
    AUTO_ARENA a = ARENA_INIT;
    struct wire_error bad;
    void *at = NULL;
    if (wire_json_decode(&a, &gantry_edge_message_shape, line, len, true, &at, &bad) <
        0) {
        fprintf(stderr, "%s\n", bad.text);
        exit(2);
    }
    const struct gantry_edge_message *m = at;
    if (m->kind == GANTRY_EDGE_MESSAGE_KIND_DESIRED)
        on_desired(b, m);
    else if (m->kind == GANTRY_EDGE_MESSAGE_KIND_BALANCER)
        balancers_balancer(b, m->balancer);
    else if (m->kind == GANTRY_EDGE_MESSAGE_KIND_BALANCER_GONE)
        balancers_balancer_gone(b, m->id);
    else if (m->kind == GANTRY_EDGE_MESSAGE_KIND_TARGETS)
        balancers_targets(b, m->target_group);
    else if (m->kind == GANTRY_EDGE_MESSAGE_KIND_TARGETS_GONE)
        balancers_targets_gone(b, m->id);
}

static int run(void)
{
    struct error err = ERROR_INIT;
    struct balancers *b;
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    if (balancers_new(&config, &b, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    while ((len = getline(&line, &cap, stdin)) > 0)
        on_line(b, line, (size_t)len);
    free(line);
    balancers_free(b);
    return 0;
}

static void set(const char *key, const char *value)
{
    int64_t number;
    if (streq(key, "dir"))
        config.dir = value;
    if (streq(key, "run"))
        config.run = value;
    if (streq(key, "log_dir"))
        config.log_dir = value;
    if (streq(key, "vpc_dir"))
        config.place.dir = value;
    if (streq(key, "gap_ms") && str_to_i64(value, 0, 1000000, &number))
        config.initial_check_gap_ms = number;
    if (streq(key, "fold_ms") && str_to_i64(value, 0, 1000000, &number))
        config.fold_quiet_ms = number;
}

int main(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    log_init("balancer", LOG_INFO);
    config = (struct balancers_config){
        .run = "test", .state = state, .health = health, .traffic = traffic};
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals)
            return 2;
        *equals = '\0';
        set(argv[i], equals + 1);
    }
    if (argc > 2 && streq(argv[1], "run"))
        return run();
    if (argc > 2 && streq(argv[1], "purge") && balancers_purge(&config, &err) == 0)
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return 2;
}
