/* balancer_access.h: access logs of Application Load Balancers as text and file names
 * (user guide, "Access logs": fields, their order, and the name of a file). Pure.
 * Owns: nothing. Threads: any. Fails: never; what we don't know is "-". */
#pragma once

#include "balancer_log_line.h"
#include "str.h"

struct access_settings {
    const char *bucket, *prefix; /* prefix may be NULL */
    const char *arn;             /* arn:aws:elasticloadbalancing:<region>:<account>:
                                    loadbalancer/app/<name>/<id> */
    const char *address;         /* of the load balancer */
    const char *group_arn;       /* of the request's target group; NULL: none */
};

/* One line, its end included. */
void access_line(struct str *out, const struct access_settings *s,
                 const struct balancer_log_line *l);
/* "<bucket>/<prefix>/AWSLogs/<account>/…/<file>.log.gz" of the five minutes up to end_ms. */
void access_path(struct str *out, const struct access_settings *s, int64_t end_ms,
                 const char *random);
