/* introspection.h: what the machine's owner can ask the agent: http://localhost:51678.
 *
 *   /v1/metadata                  {Cluster, ContainerInstanceArn, Version}
 *   /v1/tasks                     {Tasks: [{Arn, DesiredStatus, KnownStatus, Family,
 *                                 Version, Containers: [{DockerId, DockerName, Name, …}]}]}
 *   /v1/tasks?taskarn=ARN, ?dockerid=ID   that task alone; an id may be cut after 12 digits
 *   /license
 * On loopback only: everything here names other tasks. The port is the machine's, so of
 * several runs the first gets it; the others do without, and say so in the log.
 *
 * Owns: the listener. Threads: the loop's. Fails: only logged. */
#pragma once

#include "engine.h"
#include "local_server.h"

#define INTROSPECTION_PORT 51678

struct introspection {
    struct engine *engine;
    struct local_server *server;
};

void introspection_open(struct introspection *i, struct engine *e);
void introspection_close(struct introspection *i);
