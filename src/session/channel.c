#include "channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "arena.h"
#include "list.h"
#include "message.h"
#include "str.h"

#define AGENT_VERSION "3.3.0.0" /* clients offer more to agents newer than 2.3.722.0 */

#define RTT_FIRST_MS   100
#define RESEND_LOW_MS  200
#define RESEND_HIGH_MS 1000

/* A message on its way to the client, or one of its own that came early. */
struct held {
    struct list link;
    int64_t sequence, sent_ms;
    uint32_t payload_type;
    unsigned sends;
    size_t len;
    char data[];
};

struct channel {
    struct channel_config config;
    char *session_id;
    struct list unacked; /* struct held, by sequence; whole messages */
    struct list early;   /* struct held, by sequence; payloads */
    size_t unacked_count, early_count;
    int64_t next_out, next_in;
    double rtt_ms, rtt_var_ms;
    int64_t begun_ms;
    struct str output; /* from output_used: waits for the window */
    size_t output_used;
    bool shook, paused, held, ending, closed;
    int exit_code;
    char *closing_text;
};

/* ---- sending ---- */

static int64_t resend_ms(const struct channel *c)
{
    double ms = c->rtt_ms + 4 * c->rtt_var_ms;
    return ms < RESEND_LOW_MS    ? RESEND_LOW_MS
           : ms > RESEND_HIGH_MS ? RESEND_HIGH_MS
                                 : (int64_t)ms;
}

static void make_id(struct channel *c, uint8_t ret[MESSAGE_ID_SIZE])
{
    c->config.ops->random(c->config.ctx, ret, MESSAGE_ID_SIZE);
    ret[6] = (uint8_t)((ret[6] & 0x0f) | 0x40);
    ret[8] = (uint8_t)((ret[8] & 0x3f) | 0x80);
}

static void encode(struct channel *c, int64_t now_ms, struct message *m, struct str *ret)
{
    make_id(c, m->id);
    m->created_ms = now_ms;
    message_encode(m, ret);
}

static void send_data(struct channel *c, int64_t now_ms, uint32_t payload_type,
                      const void *data, size_t len)
{
    AUTO_STR bytes = STR_INIT;
    struct message m = {.type = "output_stream_data",
                        .sequence = c->next_out++,
                        .payload_type = payload_type,
                        .payload = data,
                        .payload_len = len};
    m.flags = m.sequence == 0 ? MESSAGE_SYN : 0;
    encode(c, now_ms, &m, &bytes);
    struct held *h = xmalloc(sizeof(*h) + bytes.len);
    *h = (struct held){.sequence = m.sequence,
                       .sent_ms = now_ms,
                       .payload_type = payload_type,
                       .sends = 1,
                       .len = bytes.len};
    memcpy(h->data, bytes.data, bytes.len);
    list_append(&c->unacked, &h->link);
    c->unacked_count++;
    c->config.ops->send(c->config.ctx, bytes.data, bytes.len);
}

static void send_json(struct channel *c, int64_t now_ms, uint32_t payload_type, json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    send_data(c, now_ms, payload_type, text, strlen(text));
    free(text);
}

/* A message that is not part of the numbered data. */
static void send_control(struct channel *c, int64_t now_ms, const char *type,
                         int64_t sequence, uint64_t flags, json_t *o)
{
    AUTO_STR bytes = STR_INIT;
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    struct message m = {.sequence = sequence,
                        .flags = flags,
                        .payload = text,
                        .payload_len = strlen(text)};
    snprintf(m.type, sizeof(m.type), "%s", type);
    encode(c, now_ms, &m, &bytes);
    c->config.ops->send(c->config.ctx, bytes.data, bytes.len);
    free(text);
}

static void send_closed(struct channel *c, int64_t now_ms)
{
    char id[37];
    uint8_t raw[MESSAGE_ID_SIZE];
    make_id(c, raw);
    message_id_text(raw, id);
    send_control(c, now_ms, "channel_closed", 0, MESSAGE_FIN,
                 json_pack("{s:s,s:s,s:s,s:I,s:s,s:i,s:s}", "MessageId", id, "SessionId",
                           c->session_id, "DestinationId", c->session_id, "CreatedDate",
                           (json_int_t)now_ms, "MessageType", "channel_closed",
                           "SchemaVersion", 1, "Output",
                           c->closing_text ? c->closing_text : ""));
    c->closed = true;
}

static size_t waiting(const struct channel *c)
{
    return c->output.len - c->output_used;
}

/* Whatever can go now goes, in its order. */
static void pump(struct channel *c, int64_t now_ms)
{
    while (c->shook && !c->paused && waiting(c) && c->unacked_count < CHANNEL_WINDOW) {
        size_t n = waiting(c) < CHANNEL_PAYLOAD_MAX ? waiting(c) : CHANNEL_PAYLOAD_MAX;
        send_data(c, now_ms, PAYLOAD_OUTPUT, c->output.data + c->output_used, n);
        c->output_used += n;
    }
    if (!waiting(c)) {
        str_clear(&c->output);
        c->output_used = 0;
    }
    if (!c->ending || c->closed || (c->shook && waiting(c)))
        return;
    if (c->config.tell_exit_code) {
        char text[16];
        snprintf(text, sizeof(text), "%d", c->exit_code);
        c->config.tell_exit_code = false;
        send_data(c, now_ms, PAYLOAD_EXIT_CODE, text, strlen(text));
    }
    /* Who gets channel_closed stops listening: all that was said must have arrived. */
    if (c->unacked_count == 0 || !c->shook)
        send_closed(c, now_ms);
}

/* ---- what the client acknowledges ---- */

static void measure(struct channel *c, int64_t ms)
{
    double error = (double)ms - c->rtt_ms;
    c->rtt_ms += error / 8;
    c->rtt_var_ms += ((error < 0 ? -error : error) - c->rtt_var_ms) / 4;
}

static void acknowledged(struct channel *c, int64_t now_ms, int64_t sequence)
{
    list_for_each (it, &c->unacked) {
        struct held *h = list_entry(it, struct held, link);
        if (h->sequence != sequence)
            continue;
        if (h->sends == 1) /* else it is unknown which of them was answered */
            measure(c, now_ms - h->sent_ms);
        list_remove(&h->link);
        c->unacked_count--;
        free(h);
        break;
    }
    pump(c, now_ms);
}

static json_t *load(const struct message *m)
{
    return json_loadb(m->payload, m->payload_len, 0, NULL);
}

static int receive_ack(struct channel *c, int64_t now_ms, const struct message *m,
                       struct error *err)
{
    json_t *o = load(m);
    const json_t *n = json_object_get(o, "AcknowledgedMessageSequenceNumber");
    bool is = json_is_integer(n);
    int64_t sequence = is ? json_integer_value(n) : -1;
    json_decref(o);
    if (!is)
        return fail(err, E_PROTOCOL, "an acknowledgement without a number");
    acknowledged(c, now_ms, sequence);
    return 0;
}

/* ---- what the client says ---- */

static int shake(struct channel *c, int64_t now_ms, const struct message *m,
                 struct error *err)
{
    json_t *o = load(m), *actions = json_object_get(o, "ProcessedClientActions"), *a;
    size_t i;
    int r = json_is_array(actions)
                ? 0
                : fail(err, E_PROTOCOL, "a handshake response without its actions");
    json_array_foreach (actions, i, a) {
        json_t *status = json_object_get(a, "ActionStatus");
        const char *why = json_string_value(json_object_get(a, "Error"));
        if (r == 0 && json_integer_value(status) != 1)
            r = fail(err, E_PROTOCOL, "the client can't do such a session%s%s",
                     why && *why ? ": " : "", why ? why : "");
    }
    json_decref(o);
    if (r < 0 || c->shook)
        return r;
    /* Nanoseconds, as Go writes a duration. */
    send_json(c, now_ms, PAYLOAD_HANDSHAKE_COMPLETE,
              json_pack("{s:I,s:s}", "HandshakeTimeToComplete",
                        (json_int_t)(now_ms - c->begun_ms) * 1000000, "CustomerMessage",
                        ""));
    c->shook = true;
    c->config.ops->ready(c->config.ctx);
    return 0;
}

static int resize(struct channel *c, const struct message *m, struct error *err)
{
    json_t *o = load(m);
    json_int_t cols = json_integer_value(json_object_get(o, "cols"));
    json_int_t rows = json_integer_value(json_object_get(o, "rows"));
    json_decref(o);
    if (cols < 0 || cols > UINT16_MAX || rows < 0 || rows > UINT16_MAX)
        return fail(err, E_PROTOCOL, "a terminal of a strange size");
    if (cols > 0 && rows > 0)
        c->config.ops->resize(c->config.ctx, (unsigned)cols, (unsigned)rows);
    return 0;
}

static int flag(const struct message *m, struct error *err)
{
    const uint8_t *p = m->payload;
    if (m->payload_len != 4)
        return fail(err, E_PROTOCOL, "a flag of %zu bytes", m->payload_len);
    if ((p[0] | p[1] | p[2]) == 0 && p[3] == FLAG_TERMINATE)
        return fail(err, E_CANCELLED, "the client ended the session");
    return 0; /* the others are about forwarded ports */
}

static int take(struct channel *c, int64_t now_ms, const struct message *m,
                struct error *err)
{
    switch (m->payload_type) {
    case PAYLOAD_HANDSHAKE_RESPONSE:
        return shake(c, now_ms, m, err);
    case PAYLOAD_OUTPUT:
        if (c->shook && m->payload_len)
            c->config.ops->input(c->config.ctx, m->payload, m->payload_len);
        return 0;
    case PAYLOAD_SIZE:
        return resize(c, m, err);
    case PAYLOAD_FLAG:
        return flag(m, err);
    default: /* newer than we are: acknowledged, and nothing else */
        return 0;
    }
}

static void send_ack(struct channel *c, int64_t now_ms, const struct message *m)
{
    char id[37];
    message_id_text(m->id, id);
    send_control(c, now_ms, "acknowledge", 0, MESSAGE_ACK,
                 json_pack("{s:s,s:s,s:I,s:b}", "AcknowledgedMessageType", m->type,
                           "AcknowledgedMessageId", id,
                           "AcknowledgedMessageSequenceNumber", (json_int_t)m->sequence,
                           "IsSequentialMessage", 1));
}

/* False: there is no room, it has to come again. */
static bool keep_early(struct channel *c, const struct message *m)
{
    struct list *at = &c->early;
    list_for_each (it, &c->early) {
        struct held *h = list_entry(it, struct held, link);
        if (h->sequence == m->sequence)
            return true;
        if (h->sequence > m->sequence) {
            at = it;
            break;
        }
    }
    if (c->early_count == CHANNEL_EARLY_MAX ||
        m->sequence - c->next_in > CHANNEL_EARLY_MAX)
        return false;
    struct held *h = xmalloc(sizeof(*h) + m->payload_len);
    *h = (struct held){
        .sequence = m->sequence, .payload_type = m->payload_type, .len = m->payload_len};
    memcpy(h->data, m->payload, m->payload_len);
    list_append(at, &h->link); /* before the first that is later */
    c->early_count++;
    return true;
}

static int take_early(struct channel *c, int64_t now_ms, struct error *err)
{
    int r = 0;
    while (r == 0 && !list_empty(&c->early)) {
        struct held *h = list_entry(list_first(&c->early), struct held, link);
        if (h->sequence != c->next_in)
            return 0;
        struct message m = {.sequence = h->sequence,
                            .payload_type = h->payload_type,
                            .payload = h->data,
                            .payload_len = h->len};
        c->next_in++;
        r = take(c, now_ms, &m, err);
        list_remove(&h->link);
        c->early_count--;
        free(h);
    }
    return r;
}

static int receive_data(struct channel *c, int64_t now_ms, const struct message *m,
                        struct error *err)
{
    if (m->sequence < 0)
        return fail(err, E_PROTOCOL, "a negative sequence number");
    if (m->sequence > c->next_in) {
        if (keep_early(c, m))
            send_ack(c, now_ms, m);
        return 0;
    }
    if (c->held && m->sequence == c->next_in && m->payload_type == PAYLOAD_OUTPUT)
        return 0;
    send_ack(c, now_ms, m);
    if (m->sequence < c->next_in) /* our acknowledgement was lost */
        return 0;
    c->next_in++;
    int r = take(c, now_ms, m, err);
    return r < 0 ? r : take_early(c, now_ms, err);
}

int channel_receive(struct channel *c, int64_t now_ms, const void *data, size_t len,
                    struct error *err)
{
    struct message m;
    int r = message_decode(data, len, &m, err);
    if (r < 0)
        return r;
    if (streq(m.type, "input_stream_data"))
        r = receive_data(c, now_ms, &m, err);
    else if (streq(m.type, "acknowledge"))
        r = receive_ack(c, now_ms, &m, err);
    else if (streq(m.type, "pause_publication"))
        c->paused = true;
    else if (streq(m.type, "start_publication"))
        c->paused = false;
    if (r == 0)
        pump(c, now_ms);
    return r;
}

/* ---- what the program says ---- */

size_t channel_room(const struct channel *c)
{
    return c->shook && !c->ending ? CHANNEL_OUTPUT_MAX - waiting(c) : 0;
}

void channel_output(struct channel *c, int64_t now_ms, const void *data, size_t len)
{
    if (c->output_used > CHANNEL_OUTPUT_MAX) {
        memmove(c->output.data, c->output.data + c->output_used, waiting(c));
        c->output.len = waiting(c);
        c->output_used = 0;
    }
    str_addn(&c->output, data, len);
    pump(c, now_ms);
}

void channel_hold(struct channel *c, bool held)
{
    c->held = held;
}

void channel_end(struct channel *c, int64_t now_ms, int exit_code, const char *text)
{
    if (c->ending)
        return;
    c->ending = true;
    c->paused = false;
    c->exit_code = exit_code;
    c->closing_text = xstrdup(text ? text : "");
    pump(c, now_ms);
}

bool channel_is_closed(const struct channel *c)
{
    return c->closed;
}

/* ---- time ---- */

int64_t channel_due_ms(const struct channel *c)
{
    int64_t due = c->shook ? INT64_MAX : c->begun_ms + CHANNEL_SHOOK_MS;
    if (!list_empty(&c->unacked)) {
        struct held *h = list_entry(c->unacked.next, struct held, link);
        int64_t again = h->sent_ms + resend_ms(c);
        due = again < due ? again : due;
    }
    return due;
}

/* Only the oldest is sent again: its answer tells what became of the others. */
int channel_tick(struct channel *c, int64_t now_ms, struct error *err)
{
    if (!c->shook && now_ms >= c->begun_ms + CHANNEL_SHOOK_MS)
        return fail(err, E_TIMEOUT, "the client did not answer the handshake");
    if (list_empty(&c->unacked) || now_ms < channel_due_ms(c))
        return 0;
    struct held *h = list_entry(c->unacked.next, struct held, link);
    if (h->sends > CHANNEL_RESEND_MAX)
        return fail(err, E_TIMEOUT, "the client acknowledges nothing");
    h->sends++;
    h->sent_ms = now_ms;
    c->config.ops->send(c->config.ctx, h->data, h->len);
    return 0;
}

/* ---- life ---- */

struct channel *channel_new(const struct channel_config *config, int64_t now_ms)
{
    struct channel *c = xcalloc(1, sizeof(*c));
    c->config = *config;
    c->config.command = NULL; /* not kept */
    c->session_id = xstrdup(config->session_id);
    list_init(&c->unacked);
    list_init(&c->early);
    c->rtt_ms = RTT_FIRST_MS;
    c->begun_ms = now_ms;
    json_t *type = json_pack("{s:s,s:{s:s,s:{s:s}}}", "ActionType", "SessionType",
                             "ActionParameters", "SessionType", "InteractiveCommands",
                             "Properties", "command", config->command);
    send_json(c, now_ms, PAYLOAD_HANDSHAKE_REQUEST,
              json_pack("{s:s,s:[o]}", "AgentVersion", AGENT_VERSION,
                        "RequestedClientActions", type));
    return c;
}

static void free_all(struct list *l)
{
    list_for_each_safe (it, l) {
        list_remove(it);
        free(list_entry(it, struct held, link));
    }
}

void channel_free(struct channel *c)
{
    if (!c)
        return;
    free_all(&c->unacked);
    free_all(&c->early);
    str_free(&c->output);
    free(c->closing_text);
    free(c->session_id);
    free(c);
}
