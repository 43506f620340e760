/* wire.h: shapes of data as descriptors, and the C structs that they describe.
 *
 * Each service's contract (api/<service>/…/service-2.json) is turned into C by
 * api/generate.py: for every shape that an offered operation reaches a struct, and for
 * every struct a `struct wire_shape` that tells where each member lies, what it is called
 * on the wire and what it may hold. All codecs walk these descriptors; no handler ever
 * sees a protocol. Our own stored records and the messages between server, agent and edge
 * are described the same way (api/gantry) and use the same codecs.
 *
 * How a shape looks in C (S = service prefix, e.g. ecs):
 *   string     const char *          NULL when absent; UTF-8 without NUL bytes
 *   enum       enum S_shape_name     0 (…_UNSET) when absent
 *   boolean    struct opt_bool       .set tells presence
 *   integer    struct opt_int        32 bit
 *   long       struct opt_long       64 bit
 *   float, double  struct opt_double
 *   timestamp  struct opt_time       milliseconds since 1970 UTC
 *   blob       struct wire_blob      .data NULL when absent
 *   structure  struct S_shape_name * NULL when absent
 *   list       struct …_list {T *v; size_t n; bool set;}  set with n == 0: empty, not absent
 *   map        struct …_map  {struct …_entry {const char *key; T value;} *v; size_t n; bool set;}
 *   document   const char *          any JSON value as text
 * In a list or as a map's value T is: const char *, int (enum), bool, int32_t, int64_t,
 * double, int64_t (timestamp, ms), struct wire_blob, the list or map struct, or the
 * structure itself (contiguous, not a pointer).
 *
 * Owns: descriptors are static and constant; decoded structs lie in the caller's arena.
 * Threads: any; nothing here has state.
 * Fails: decoding fails with a struct wire_error, which names the member. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "str.h"

enum wire_type {
    WIRE_BOOL,
    WIRE_INT,
    WIRE_LONG,
    WIRE_DOUBLE, /* float and double */
    WIRE_STRING,
    WIRE_ENUM,
    WIRE_TIMESTAMP,
    WIRE_BLOB,
    WIRE_STRUCT,
    WIRE_LIST,
    WIRE_MAP,
    WIRE_DOCUMENT,
};

struct opt_bool {
    bool set, v;
};
struct opt_int {
    bool set;
    int32_t v;
};
struct opt_long {
    bool set;
    int64_t v;
};
struct opt_double {
    bool set;
    double v;
};
struct opt_time {
    bool set;
    int64_t v; /* ms */
};
struct wire_blob {
    const uint8_t *data;
    size_t size;
};

#define SET_BOOL(x)   ((struct opt_bool){.set = true, .v = (x)})
#define SET_INT(x)    ((struct opt_int){.set = true, .v = (x)})
#define SET_LONG(x)   ((struct opt_long){.set = true, .v = (x)})
#define SET_DOUBLE(x) ((struct opt_double){.set = true, .v = (x)})
#define SET_TIME(x)   ((struct opt_time){.set = true, .v = (x)})

/* Every generated list and map struct begins like this one. */
struct wire_list {
    void *v;
    size_t n;
    bool set;
};

/* Lists of scalars have no shape of their own in C: one struct for all services. */
struct string_list {
    const char **v;
    size_t n;
    bool set;
};
struct int_list {
    int32_t *v;
    size_t n;
    bool set;
};
struct long_list {
    int64_t *v;
    size_t n;
    bool set;
};
struct double_list {
    double *v;
    size_t n;
    bool set;
};
struct bool_list {
    bool *v;
    size_t n;
    bool set;
};
struct blob_list {
    struct wire_blob *v;
    size_t n;
    bool set;
};
struct enum_list {
    int *v;
    size_t n;
    bool set;
};
struct string_entry {
    const char *key;
    const char *value;
};
struct string_map {
    struct string_entry *v;
    size_t n;
    bool set;
};

/* Where a member travels. WIRE_IN_BODY unless a REST protocol says otherwise. */
enum wire_location {
    WIRE_IN_BODY,
    WIRE_IN_URI,
    WIRE_IN_QUERY,
    WIRE_IN_HEADER,
    WIRE_IN_HEADERS, /* a map, prefix in wire_name */
    WIRE_IN_STATUS,
    WIRE_IN_PAYLOAD, /* the member is the whole body */
};

enum wire_timestamp_format {
    WIRE_TIME_DEFAULT, /* the protocol's own */
    WIRE_TIME_UNIX,    /* seconds, fraction allowed */
    WIRE_TIME_ISO8601,
    WIRE_TIME_RFC822, /* HTTP date */
};

enum wire_member_flag {
    WIRE_REQUIRED = 1 << 0,
    WIRE_UNBOXED = 1 << 1,   /* a scalar that is written as 0 or false when unset */
    WIRE_FLATTENED = 1 << 2, /* XML and query: list items without a wrapper */
    WIRE_XML_ATTRIBUTE = 1 << 3,
    WIRE_SENSITIVE = 1 << 4, /* never logged */
    WIRE_TOKEN = 1 << 5,     /* idempotency token: a client's library fills it */
};

struct wire_shape;

struct wire_member {
    const char *name;      /* the model's member name: JSON and CBOR key */
    const char *wire_name; /* locationName: XML element, query key, header, URI label */
    const char *ec2_name;  /* EC2 query key in requests */
    const struct wire_shape *shape;
    uint32_t offset; /* in the C struct */
    uint16_t flags;
    uint8_t location;  /* enum wire_location */
    uint8_t timestamp; /* enum wire_timestamp_format of this member */
};

/* A compiled pattern, see pattern.h. */
struct wire_pattern {
    const uint32_t *code;
};

struct wire_shape {
    const char *name; /* the model's shape name */
    uint8_t type;     /* enum wire_type */
    uint8_t timestamp;
    bool flattened;
    bool has_min, has_max;
    bool is_union; /* exactly one member is set */
    bool is_error;
    double min, max;     /* numbers: range; strings: characters; lists, maps: entries */
    uint32_t size;       /* bytes of the C value as list element, or of the struct */
    const char *pattern; /* as the model has it, or NULL */
    const struct wire_pattern *matcher; /* the same compiled; NULL: not checked */
    const char *const *enum_names; /* [0] is NULL (unset); ended by NULL after the last */
    uint32_t enum_count;           /* valid values are 1…enum_count */
    /* structures */
    const struct wire_member *members;
    uint32_t member_count;
    const char *payload; /* name of the member that is the body, or NULL */
    /* lists and maps; entry_value_offset is where a map entry's value lies */
    const struct wire_shape *key, *element;
    const char *key_name,
        *element_name; /* XML names; NULL for "key", "value", "member" */
    uint32_t entry_size, entry_value_offset;
    const char *xml_name, *xml_namespace; /* root element where it differs */
};

enum wire_protocol {
    WIRE_JSON_1_0,
    WIRE_JSON_1_1,
    WIRE_QUERY,
    WIRE_EC2,
    WIRE_REST_JSON,
    WIRE_REST_XML,
    WIRE_CBOR,
};

/* A service's error: generated one for each exception of the model. `shape` describes the
 * members that the error carries besides its message (ConflictException: resourceIds). */
struct wire_fault {
    const char *code; /* "ClusterNotFoundException"; query: the model's error code */
    int status;       /* HTTP */
    bool sender;      /* the caller's mistake (query: <Type>Sender</Type>) */
    const struct wire_shape *shape; /* NULL for faults that no model has */
};

/* How a service words WIRE_BAD_VALUE. */
enum wire_words {
    WIRE_WORDS_CORAL, /* 1 validation error detected: Value 'x' at 'm' failed to … */
    WIRE_WORDS_ECR,   /* Invalid parameter at 'm' failed to satisfy constraint: '…' */
};

struct wire_service;

struct wire_operation {
    const char *name;
    const char *method, *uri; /* "POST", "/"; labels as {Name} or {Name+} */
    const struct wire_shape *input, *output; /* NULL when the model has none */
    const char *output_wrapper;              /* query: resultWrapper */
    int status;                              /* of a success: 200 unless the model says */
    const struct wire_service *service;
    uint32_t index; /* position in service->operations */
};

struct wire_service {
    const char *prefix;        /* "ecs": also the folder's and the C prefix */
    const char *signing_name;  /* SigV4 credential scope */
    const char *api_version;   /* "2014-11-13": query's Version */
    const char *target_prefix; /* JSON: before the dot of X-Amz-Target */
    const char *xml_namespace;
    enum wire_protocol protocol;
    bool speaks_cbor;      /* may also be called with RPC v2 CBOR */
    bool speaks_query;     /* may (also) be called with query */
    bool query_compatible; /* JSON and CBOR errors carry x-amzn-query-error */
    const struct wire_operation *operations;
    uint32_t operation_count;
    const char *const
        *not_offered; /* names of the model that we do not offer, NULL-ended */
    const struct wire_fault *validation;  /* for missing members, lengths, ranges, enums;
                                            NULL: the protocol's own */
    const struct wire_fault *unavailable; /* for what is our trouble and passes; same */
    enum wire_words words;
};

/* ---- why a body was refused ---- */

enum wire_error_kind {
    WIRE_BAD_SYNTAX, /* not JSON, XML, CBOR or a form at all; not UTF-8; too deep */
    WIRE_BAD_TYPE,   /* "cpu": "x" where a number belongs */
    WIRE_BAD_VALUE,  /* missing member, length, range, enum, pattern */
    WIRE_UNKNOWN_OPERATION,
    WIRE_NOT_OFFERED, /* AWS has the operation, gantry does not */
    WIRE_BAD_SCOPE,   /* signed for another service than the one it is sent to */
};

struct wire_error {
    enum wire_error_kind kind;
    char text[ERROR_TEXT_SIZE]; /* as most services would say it */
    /* Of the first bad value, for services with words of their own: where, and which rule. */
    char member[160], constraint[384];
};

/* DynamoDB's values lie in each other 32 deep, and each is two of ours. */
#define WIRE_MAX_DEPTH 80

/* ---- JSON (AWS JSON 1.0 and 1.1, the store, messages between our processes) ---- */

/* Reads `len` bytes into *ret (a struct of the shape, made in the arena). Unknown members
 * are skipped, null is absence. Returns 0, or -E_INVALID with *ret_error filled. With
 * `trusted` (our own store) values are not checked against lengths, ranges and enums. */
int wire_json_decode(struct arena *a, const struct wire_shape *shape, const char *text,
                     size_t len, bool trusted, void **ret, struct wire_error *ret_error);

/* Appends the value as JSON. Never fails: descriptors and structs agree by construction. */
void wire_json_encode(struct str *out, const struct wire_shape *shape, const void *value);

/* The same with times as ISO 8601 texts, as events carry them. */
void wire_json_encode_iso(struct str *out, const struct wire_shape *shape,
                          const void *value);
/* As iso, with WIRE_REDACTED in place of what the model calls sensitive: for logs. */
#define WIRE_REDACTED "HIDDEN_DUE_TO_SECURITY_REASONS"
void wire_json_encode_redacted(struct str *out, const struct wire_shape *shape,
                               const void *value);
/* Appends a quoted string; the text is UTF-8. */
void json_add_string(struct str *out, const char *text);

/* ---- any structure ---- */

/* A deep copy into the arena: nothing in it points into the source. */
void *wire_copy(struct arena *a, const struct wire_shape *shape, const void *value);
/* As above into a struct that the caller has. */
void wire_copy_into(struct arena *a, const struct wire_shape *shape, const void *value,
                    void *ret);
/* Members that `over` has take the place of those of `base`; copied deeply. */
void wire_overlay(struct arena *a, const struct wire_shape *shape, const void *over,
                  void *base);
/* Are two values the same on the wire (member by member, order of lists counts)? */
bool wire_equal(const struct wire_shape *shape, const void *a, const void *b);

const char *wire_enum_name(const struct wire_shape *shape, int value); /* NULL for 0 */
int wire_enum_value(const struct wire_shape *shape, const char *name); /* 0: unknown */

/* The scalars at `path` as texts: "cluster", "overrides.taskRoleArn", "tags.key" (of each
 * element: one that lacks it gives ""), for maps "tags.key" and "tags.value"; members by the
 * model's names. Returns how many; *ret is an array in the arena. */
size_t wire_pick(struct arena *a, const struct wire_shape *shape, const void *value,
                 const char *path, const char *const **ret);

/* ---- lists ---- */

/* Grows a generated list (or map) by one zeroed element of `size` bytes and returns it; the
 * list becomes set. Amortised: capacity is the next power of two of n, never stored. So a
 * list that is pushed to must have been made here, by a codec or by wire_copy(): one that
 * points at other memory (a static array, a slice) is only for reading and encoding. */
void *wire_list_push(struct arena *a, struct wire_list *list, size_t size);
#define LIST_PUSH(arena, list)                                                           \
    ((__typeof__((list)->v))wire_list_push((arena), (struct wire_list *)(void *)(list),  \
                                           sizeof(*(list)->v)))
