/* telemetry.h: what the agent measures, told to the server (AgentTelemetry of api/gantry).
 *
 * Health of containers goes when it changes and, all of it, when the stream begins: ECS has
 * no operation for it. One message at a time; what changes meanwhile is in the next one, so
 * the server hears the present state and not each step. While the stream is away nothing is
 * sent: the server keeps the last word.
 *
 * Owns: engine.telemetry. Threads: the loop's. Fails: never; sent again with growing waits. */
#pragma once

#include "task.h"

struct engine;

void telemetry_init(struct engine *e);
void telemetry_health(struct container *c); /* it changed */
void telemetry_all(struct engine *e);       /* the server may have lost everything */
