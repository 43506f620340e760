/* target_health.h: what checks make of a target's health. Pure.
 *
 * As in Elastic Load Balancing (user guides, "Target group health checks"): a new target is
 * `initial`, healthy after one success, unhealthy after the unhealthy threshold; later it
 * takes as many in a row as the thresholds say. While it is initial it is asked sooner than
 * the interval, so that a task takes part as soon as it answers; of those early checks only
 * as many failures count as there would have been at the interval's pace.
 *
 * Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "elbv2_api.h"

enum target_state { TARGET_INITIAL, TARGET_HEALTHY, TARGET_UNHEALTHY };

struct target_health_rule {
    enum elbv2_protocol_enum protocol;
    bool grpc, http2, enabled;
    int64_t interval_ms, timeout_ms;
    int healthy_threshold, unhealthy_threshold;
    int64_t first_gap_ms; /* between the first checks */
    char matcher[64];     /* "200,202", "200-299"; of gRPC "0,12" */
    char path[1025];
    int port; /* 0: the target's own */
};

bool target_health_rule_equal(const struct target_health_rule *a,
                              const struct target_health_rule *b);

enum check_outcome {
    CHECK_OK,
    CHECK_CODE,    /* an answer with another code */
    CHECK_TIMEOUT, /* none in time */
    CHECK_FAILED,  /* no connection, broken off, not HTTP */
};

struct target_health {
    enum target_state state;
    int successes, failures;    /* in a row, that count */
    int early;                  /* checks while initial */
    int64_t counted_ms;         /* when a failure last counted */
    enum check_outcome outcome; /* the last one that counted */
    int code;
};

/* With the defaults of what is not set. first_gap_ms 0: 100. */
void target_health_rule_of(const struct elbv2_target_group *g, int64_t first_gap_ms,
                           struct target_health_rule *ret);
bool target_health_matches(const char *matcher, int code);
void target_health_begin(struct target_health *h);
/* A check that began at now_ms ended so. True when state, outcome or code changed. */
bool target_health_note(const struct target_health_rule *rule, struct target_health *h,
                        int64_t now_ms, enum check_outcome outcome, int code);
/* From the beginning of one check to that of the next. */
int64_t target_health_gap_ms(const struct target_health_rule *rule,
                             const struct target_health *h);
/* "healthy", …; reason and description as DescribeTargetHealth has them, "" for none. */
struct target_health_words {
    const char *state, *reason;
    char description[128];
};
void target_health_words(const struct target_health_rule *rule,
                         const struct target_health *h, struct target_health_words *ret);
