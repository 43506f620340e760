/* codec.h: the other codecs' reading and writing of whole values, for protocol.c only.
 *
 * Readers fill a zeroed (or partly filled) struct and leave the rules for values to
 * check_value(). Owns: what is read lies in the arena. Threads: any.
 * Fails: readers with -E_INVALID and the report filled; writers never. */
#pragma once

#include "protocol.h"
#include "wire_report.h"

/* ---- forms: query and EC2 query ---- */

struct form_pair {
    const char *key, *value;
};
struct form {
    struct form_pair *v; /* sorted by key */
    size_t n;
};

/* Splits, decodes ('+' is a blank) and sorts. Refuses a key that appears twice. */
int form_parse(struct wire_report *r, struct arena *a, const char *text, size_t len,
               struct form *ret);
const char *form_get(const struct form *form, const char *key); /* NULL: not there */
int form_read(struct wire_report *r, struct arena *a, const struct form *form, bool ec2,
              const struct wire_shape *shape, void *root);

/* Percent decoding; NULL when a '%' is not followed by two hexadecimal digits, when there
 * is a NUL or when the result is not UTF-8. */
char *percent_decode(struct arena *a, const char *text, size_t len, bool plus_is_blank);

/* ---- XML ---- */

int xml_read(struct wire_report *r, struct arena *a, const char *text, size_t len,
             const struct wire_shape *shape, void *root);
/* The members that travel in the body, without an element around them. */
void xml_write_members(struct str *out, const struct wire_shape *shape,
                       const void *value);
void xml_open(struct str *out, const char *name, const char *xml_namespace);
void xml_close(struct str *out, const char *name);
void xml_add_text(struct str *out, const char *text);
void xml_add_element(struct str *out, const char *name,
                     const char *text); /* not if NULL */

/* ---- CBOR ---- */

int cbor_read(struct wire_report *r, struct arena *a, const void *data, size_t len,
              const struct wire_shape *shape, void *root);
void cbor_write(struct str *out, const struct wire_shape *shape, const void *value);
void cbor_add_text(struct str *out, const char *text);
void cbor_add_map(struct str *out, size_t entries);

/* ---- REST: what travels outside the body ---- */

int rest_match(const struct wire_operation *op, const struct wire_http_request *req);
int rest_read(struct wire_report *r, struct arena *a, const struct wire_operation *op,
              const struct wire_http_request *req, void *root);
/* Appends the output's header members, returns the status (0: the operation's own). */
struct header_list {
    struct wire_header *v;
    size_t n;
    bool set;
};
int rest_write(struct arena *a, const struct wire_shape *shape, const void *value,
               struct header_list *headers);
/* The payload member, NULL when the body holds several members. */
const struct wire_member *rest_payload(const struct wire_shape *shape);

/* ---- responses: protocol.c's, used by fault.c too ---- */

void response_start(struct arena *a, enum wire_protocol protocol, const char *request_id,
                    struct header_list *headers);
void response_header(struct arena *a, struct header_list *headers, const char *name,
                     const char *value);
const struct wire_header *response_headers(struct arena *a, struct header_list *headers);
