#include "api_front.h"

#include <stdlib.h>
#include <string.h>

#include "request_id.h"

struct api_call {
    struct call call;
    const struct api_front *front;
    struct http_request *req;
    struct wire_target target;
    struct credentials credentials;
    bool undecodable;
    struct wire_error why; /* with undecodable */
    struct job job;        /* call.prepare, call.finish */
    struct audit_entry audit;
};

void api_wire_request(struct http_request *req, struct wire_http_request *ret)
{
    struct wire_header *headers =
        arena_new_array(&req->arena, struct wire_header, req->header_count);
    for (size_t i = 0; i < req->header_count; i++)
        headers[i] = (struct wire_header){req->headers[i].name, req->headers[i].value};
    *ret = (struct wire_http_request){
        .method = req->method,
        .path = req->path,
        .query = req->query,
        .headers = headers,
        .header_count = req->header_count,
        .body = req->body,
        .body_len = req->body_len,
    };
}

/* "127.0.0.1:40123", "[::1]:40123" without the port. */
static const char *address_of(struct arena *a, const char *peer)
{
    const char *colon = peer ? strrchr(peer, ':') : NULL;
    if (!colon)
        return NULL;
    bool v6 = peer[0] == '[' && colon[-1] == ']';
    return arena_strndup(a, peer + v6, (size_t)(colon - peer) - 2u * v6);
}

void api_read_credentials(struct arena *a, struct http_request *req,
                          struct credentials *ret)
{
    char hash[SIGV4_HASH_SIZE];
    struct wire_http_request wreq;
    api_wire_request(req, &wreq);
    sigv4_hash(req->body, req->body_len, hash);
    ret->failure_text = NULL;
    ret->failure = sigv4_parse(a, &wreq, hash, &ret->sigv4, &ret->failure_text);
    ret->source_ip = address_of(a, req->peer);
    ret->user_agent = arena_strdup(a, http_header(req, "User-Agent"));
    ret->tls = streq(http_header(req, "X-Forwarded-Proto"), "https");
}

/* ---- state thread ---- */

static int refuse_undecodable(struct api_call *ac)
{
    const char *text;
    const struct wire_fault *fault =
        wire_error_fault(&ac->call.arena, &ac->target, &ac->why, &text);
    return call_fault(&ac->call, fault, "%s", text);
}

/* Whatever signature there is, it says nothing. */
static void nobody(struct api_call *ac)
{
    ac->call.who = (struct identity){
        .principal = {.type = PRINCIPAL_ANONYMOUS},
        .source_ip = ac->credentials.source_ip,
        .user_agent = ac->credentials.user_agent,
        .tls = ac->credentials.tls,
    };
}

/* Known though its parameters may be wrong. */
static bool is_open(const struct api_call *ac)
{
    const struct api_front *front = ac->front;
    for (size_t i = 0; ac->target.operation && i < front->service_count; i++)
        if (front->services[i].wire == ac->target.service)
            return front->services[i].operations[ac->target.operation->index].is_open;
    return false;
}

static int check_signature(struct call *c)
{
    struct api_call *ac = list_entry(c, struct api_call, call);
    enum wire_denial denial;
    const char *text, *usual;
    if (authenticate(ac->front->auth, c->core, &c->arena, &ac->credentials, &c->who,
                     &denial, &text) == 0)
        return 0;
    const struct wire_fault *fault = wire_denial_fault(&ac->target, denial, &usual);
    return call_fault(c, fault, "%s", str_empty(text) ? usual : text);
}

static int check_caller(struct call *c)
{
    struct api_call *ac = list_entry(c, struct api_call, call);
    if (is_open(ac))
        nobody(ac);
    else if (check_signature(c) < 0)
        return -1;
    if (ac->undecodable)
        return refuse_undecodable(ac);
    struct error err;
    if (c->operation->kind == OPERATION_CHANGES &&
        store_room(ac->front->store, API_MAX_BODY, &err) < 0)
        return call_fault(c, wire_unavailable_fault(&ac->target),
                          "The disk of gantry's data directory is full. Free some space "
                          "and try again.");
    return 0;
}

/* ---- commit thread, or a worker when there is something to finish ---- */

static void answer(struct http_request *req, struct wire_response *response)
{
    struct http_header headers[16];
    size_t n = 0;
    while (n + 1 < 16 && response->headers[n].name) {
        headers[n] =
            (struct http_header){response->headers[n].name, response->headers[n].value};
        n++;
    }
    headers[n] = (struct http_header){0};
    size_t len = response->body.len;
    http_reply(req, response->status, headers, str_take(&response->body), len, HTTP_TAKE);
}

/* Audit thread: nobody looks at the call any more. */
static void release(struct audit_entry *e)
{
    struct api_call *ac = list_entry(e, struct api_call, audit);
    arena_free(&ac->call.arena);
    free(ac);
}

static void reply(struct api_call *ac)
{
    struct call *c = &ac->call;
    struct wire_response response = {0};
    if (c->fault)
        wire_fault_encode(&c->arena, &ac->target, c->fault, c->fault_text,
                          c->fault_details, c->request_id, &response);
    else
        wire_response_encode(&c->arena, &ac->target, c->out, c->request_id, &response);
    answer(ac->req, &response);
    wire_response_free(&response);
    ac->audit.call = c;
    ac->audit.release = release;
    audit_add(ac->front->audit, &ac->audit);
}

static void finished(struct call *call)
{
    reply(list_entry(call, struct api_call, call));
}

static void finish(struct job *job)
{
    struct api_call *ac = list_entry(job, struct api_call, job);
    ac->call.finish(&ac->call);
    reply(ac);
}

static void prepare(struct job *job)
{
    struct api_call *ac = list_entry(job, struct api_call, job);
    ac->call.prepare(&ac->call);
    ac->call.prepare = NULL;
    shell_submit(ac->front->shell, &ac->call.task);
}

static void deliver(struct outbound *out)
{
    struct api_call *ac = list_entry(out, struct api_call, call.task.reply);
    if (!ac->call.fault && ac->call.hand_over) {
        ac->call.hand_over(&ac->call);
        return;
    }
    if (ac->call.fault || (!ac->call.finish && !ac->call.prepare)) {
        reply(ac);
        return;
    }
    ac->job.run = ac->call.prepare ? prepare : finish;
    workers_submit(ac->front->workers, &ac->job);
}

/* ---- I/O thread ---- */

static void operation_set(struct api_call *ac)
{
    const struct api_front *front = ac->front;
    for (size_t i = 0; i < front->service_count; i++)
        if (front->services[i].wire == ac->target.service) {
            ac->call.operation =
                &front->services[i].operations[ac->target.operation->index];
            ac->call.access = front->services[i].access;
        }
}

static void decode(struct api_call *ac, const struct wire_http_request *req)
{
    const struct wire_service *wires[32];
    size_t n = ac->front->service_count;
    for (size_t i = 0; i < n; i++)
        wires[i] = ac->front->services[i].wire;
    void *in = NULL;
    ac->undecodable =
        wire_request_find(wires, n, req, ac->credentials.sigv4.service, &ac->target,
                          &ac->why) < 0 ||
        wire_request_decode(&ac->call.arena, &ac->target, req, &in, &ac->why) < 0;
    ac->call.in = in;
}

static void region_of(struct api_call *ac)
{
    const char *region = ac->credentials.sigv4.region;
    ac->call.region = str_empty(region) ? ac->front->region : region;
}

/* Host goes into addresses that we hand out, so it must be one. */
static void host_of(struct api_call *ac)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-_:[]";
    const char *host = http_header(ac->req, "Host");
    if (!str_empty(host) && strlen(host) <= 300 && host[strspn(host, allowed)] == '\0')
        ac->call.host = arena_strdup(&ac->call.arena, host);
    ac->call.host_tls = streq(http_header(ac->req, "X-Forwarded-Proto"), "https");
}

void api_front_complete(const struct api_front *front, struct http_request *req)
{
    struct api_call *ac = xcalloc(1, sizeof(*ac));
    struct wire_http_request wreq;
    ac->front = front;
    ac->req = req;
    ac->call.arena.wipe = true; /* passwords, keys and secrets come this way */
    ac->call.target = &ac->target;
    request_id_make(ac->call.request_id);
    api_wire_request(req, &wreq);
    api_read_credentials(&ac->call.arena, req, &ac->credentials);
    region_of(ac);
    host_of(ac);
    decode(ac, &wreq);
    if (!ac->undecodable)
        operation_set(ac);
    ac->call.authenticate = check_caller;
    ac->call.finished = finished;
    ac->call.task.run = call_run;
    ac->call.task.reply.deliver = deliver;
    shell_submit(front->shell, &ac->call.task);
}

static void refuse_long_body(const struct api_front *front, struct http_request *req)
{
    const struct wire_service *wires[32];
    struct wire_http_request wreq;
    struct wire_target target = {0};
    struct wire_error why;
    struct wire_response response = {0};
    char id[CALL_REQUEST_ID_SIZE];
    for (size_t i = 0; i < front->service_count; i++)
        wires[i] = front->services[i].wire;
    api_wire_request(req, &wreq);
    (void)wire_request_find(wires, front->service_count, &wreq, NULL, &target, &why);
    request_id_make(id);
    wire_fault_encode(&req->arena, &target, &wire_too_large_fault,
                      "The request body is longer than 10 MiB.", NULL, id, &response);
    answer(req, &response);
    wire_response_free(&response);
}

void api_front_begin(const struct api_front *front, struct http_request *req)
{
    if (req->content_length > API_MAX_BODY)
        refuse_long_body(front, req);
    else
        http_accept_body(req, API_MAX_BODY);
}
