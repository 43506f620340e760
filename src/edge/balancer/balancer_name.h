/* balancer_name.h: what things of a load balancer are called in HAProxy and on disk.
 *
 * Names come from ARNs alone, so that every run, and an edge that adopts, says the same.
 * Owns: nothing. Threads: any. Fails: never; a name that is too long is cut. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BALANCER_NAME_SIZE 48

/* The part behind the last '/', of letters, digits and '-' only; "none" when there is none. */
void balancer_id(const char *arn, char ret[static BALANCER_NAME_SIZE]);
/* "tg-<id>" and "l-<id>". */
void balancer_backend_name(const char *group_arn, char ret[static BALANCER_NAME_SIZE]);
void balancer_frontend_name(const char *listener_arn,
                            char ret[static BALANCER_NAME_SIZE]);
/* A target, opaque because cookies carry it: another address is another server. */
void balancer_server_name(const char *group_arn, const char *target_id,
                          const char *address, int port,
                          char ret[static BALANCER_NAME_SIZE]);
uint64_t balancer_hash(uint64_t seed, const void *data, size_t len); /* FNV-1a */
#define BALANCER_HASH_SEED 0xcbf29ce484222325ULL
