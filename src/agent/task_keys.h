/* task_keys.h: what a task has of its roles: credentials of its task role, which its
 * containers may ask for, and of its execution role, with which the agent pulls, fetches secrets
 * and sends logs for it.
 *
 * They come on the server's stream, again before they end and after each connection, so they are
 * in memory only: the next agent has them with its first line. Containers ask for the first kind
 * at 169.254.170.2/v2/credentials/<id> (metadata.h). The id is the server's, 122 random bits, in
 * task.json as it is in the containers' environment. The second kind has no id.
 *
 * Owns: engine-wide nothing; a task its two sets, wiped when they go. Never logged.
 * Threads: the loop's. Fails: never. */
#pragma once

#include "sigv4.h"
#include "task.h"

struct role_credentials {
    char *role_arn;
    struct sigv4_credentials keys; /* in the heap */
    int64_t expires_ms;
};

/* What the stream brought, of tasks that are here; others' are forgotten. */
void task_keys_take(struct engine *e, const struct gantry_host_credentials_list *l);
void task_keys_forget(struct task *t);

/* NULL: it has no such role. */
const char *task_role_arn(const struct gantry_host_task *t);
const char *task_execution_role_arn(const struct gantry_host_task *t);
/* NULL: it has no execution role, or its credentials are not here (yet). */
const struct sigv4_credentials *task_execution_keys(const struct task *t);
/* The server has them for it (it may be that nobody there knows roles), and what is done with
 * the role has to wait: engine_advance() is called then. */
bool task_execution_awaited(const struct task *t);
const struct sigv4_credentials *task_role_keys(const struct task *t);

/* Do containers of the task get an id? By its role, network and the agent's settings. */
bool task_keys_offered(const struct engine *e, const struct gantry_host_task *t);
/* NULL: nobody's id. */
struct task *task_by_credentials(struct engine *e, const char *id);
/* {"RoleArn":…}: 200 and the credentials, or 503. */
int task_keys_answer(const struct task *t, int64_t now_ms, struct str *ret);
/* The body of a refusal. */
void credentials_fault(struct str *ret, int status, const char *code, const char *message);
