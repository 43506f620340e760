/* pages.h: GET /health (JSON) and GET /metrics (Prometheus text): for people and monitors,
 * unsigned, and without anything that a stranger may not know.
 *
 * Threads: I/O threads answer /health at once; /metrics asks the state thread.
 * Owns: nothing. Fails: never. */
#pragma once

#include "http.h"

struct server;

void page_health(struct server *s, struct http_request *req);
void page_metrics(struct server *s, struct http_request *req);
