/* edge_message.h: one line of the server's stream, handed to the parts that it concerns.
 *
 * DESIRED is everything: each part is told begin, all of its own, settled. What can't be
 * read or names nothing is logged and changes nothing; the next DESIRED mends what was
 * missed.
 *
 * Owns: nothing. Threads: the loop's. Fails: E_PROTOCOL a line that can't be read. */
#pragma once

#include <stddef.h>

#include "balancers.h"
#include "imds.h"
#include "instances.h"
#include "report.h"
#include "resolver.h"
#include "router.h"

struct edge_parts {
    struct router *router;
    struct balancers *balancers;
    struct instances *instances;
    struct imds *imds;
    struct resolver *resolver;
    struct report_queue *reports;
};

/* 1: it was DESIRED; 0: anything else. */
int edge_message(struct edge_parts *p, const char *line, size_t len, struct error *err);
