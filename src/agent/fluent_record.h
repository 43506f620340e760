/* fluent_record.h: one log line in the form that Fluentd and Fluent Bit take: a message of
 * the Forward protocol v1 (message mode), [tag, EventTime, {container_id, container_name,
 * source, log}] in MessagePack; the record is that of Docker's fluentd driver. Pure.
 * Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include "container_log.h"
#include "str.h"

struct fluent_source {
    const char *tag;
    const char *container_id, *container_name; /* with a '/' in front, as Docker has it */
};

/* Appends. */
void fluent_record_write(const struct fluent_source *s, const struct log_entry *e,
                         struct str *ret);
