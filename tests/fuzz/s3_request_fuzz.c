/* Requests of S3 as they come: the first line is "METHOD path?query", then headers up to an empty
 * line, then the document. What is decoded must be a bucket and a key that were in the request,
 * and can be answered, in documents and as an error. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol.h"
#include "s3_api.h"

#define LINES 12

static const struct wire_service *const services[] = {&s3_service_api};

/* The next line of *text, without its end. */
static char *line_of(struct arena *a, const char **text)
{
    size_t n = strcspn(*text, "\n");
    char *line = arena_strndup(a, *text, n);
    *text += n + ((*text)[n] == '\n');
    return line;
}

static size_t headers_of(struct arena *a, const char **text, struct wire_header *ret)
{
    size_t count = 0;
    while (count < LINES && **text) {
        char *line = line_of(a, text), *colon = strchr(line, ':');
        if (!*line)
            break;
        if (!colon)
            continue;
        *colon = '\0';
        ret[count++] = (struct wire_header){line, colon + 1 + strspn(colon + 1, " ")};
    }
    return count;
}

static void encode(struct arena *a, const struct wire_target *t)
{
    struct wire_response r = {0};
    const struct wire_shape *shape = t->operation->output;
    void *output = shape ? arena_alloc(a, shape->size) : NULL;
    if (shape)
        memset(output, 0, shape->size);
    wire_response_encode(a, t, output, "id", &r);
    wire_response_free(&r);
}

static void use(struct arena *a, const struct wire_target *t, const void *in)
{
    const struct wire_shape *shape = t->operation->input;
    const char *const *found;
    if (shape && in && wire_pick(a, shape, in, "Key", &found) == 1)
        assert(*found[0]); /* an object has a name */
    if (shape && in && wire_pick(a, shape, in, "Bucket", &found) == 1)
        assert(*found[0]); /* whether it may be one is service/s3's to say */
    encode(a, t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA a = ARENA_INIT;
    struct wire_header headers[LINES];
    struct wire_target target;
    struct wire_error error = {0};
    struct wire_response response = {0};
    void *in = NULL;
    const char *text = arena_strndup(&a, (const char *)data, size), *message;
    char *method = line_of(&a, &text), *path = strchr(method, ' ');
    if (!path || path[1] != '/')
        return 0;
    *path++ = '\0';
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    struct wire_http_request req = {.method = method, .path = path, .query = query};
    req.header_count = headers_of(&a, &text, headers);
    req.headers = headers;
    req.body = text;
    req.body_len = strlen(text);
    int r = wire_request_find(services, 1, &req, "s3", &target, &error);
    if (r == 0)
        r = wire_request_decode(&a, &target, &req, &in, &error);
    if (r == 0) {
        use(&a, &target, in);
        return 0;
    }
    const struct wire_fault *fault = wire_error_fault(&a, &target, &error, &message);
    wire_fault_encode(&a, &target, fault, message, NULL, "id", &response);
    wire_response_free(&response);
    return 0;
}
