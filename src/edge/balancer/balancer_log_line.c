#include "balancer_log_line.h"

#include <stdlib.h>
#include <string.h>

/* The next piece, up to a blank or in quotes with '\' before what would end it; NULL at the
 * end. */
static char *next_piece(char **at)
{
    char *p = *at;
    if (!p || !*p)
        return NULL;
    if (*p != '"') {
        char *end = strchr(p, ' ');
        if (end)
            *end++ = '\0';
        *at = end;
        return p;
    }
    char *out = ++p, *begin = p;
    for (; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1])
            p++;
        *out++ = *p;
    }
    char *rest = *p ? p + 1 : p;
    *at = *rest == ' ' ? rest + 1 : rest;
    *out = '\0';
    return begin;
}

static int64_t number(const char *s)
{
    /* HAProxy writes '+' before what grows until a connection's end. */
    return s ? strtoll(*s == '+' ? s + 1 : s, NULL, 10) : -1;
}

static bool read_access(char **at, struct balancer_log_line *ret)
{
    char *f[14];
    for (int i = 0; i < 14; i++)
        if (!(f[i] = next_piece(at)))
            return false;
    ret->client = f[0];
    ret->target = f[1];
    ret->at_ms = number(f[2]) * 1000 + number(f[3]);
    ret->request_ms = number(f[4]);
    ret->wait_ms = number(f[5]);
    ret->total_ms = number(f[6]);
    ret->rule = f[7];
    ret->cipher = f[8];
    ret->protocol = f[9];
    ret->request = f[10];
    ret->user_agent = f[11];
    ret->trace_id = f[12];
    ret->domain = f[13];
    return true;
}

bool balancer_log_read(char *line, struct balancer_log_line *ret)
{
    char *at = line, *f[10];
    *ret = (struct balancer_log_line){0};
    char *kind = next_piece(&at);
    if (!kind || strlen(kind) != 1 || !strchr("HTE", *kind) ||
        !(ret->frontend = next_piece(&at)))
        return false;
    ret->kind = *kind;
    if (ret->kind == 'E')
        return true;
    for (int i = 0; i < 8; i++)
        if (!(f[i] = next_piece(&at)))
            return false;
    ret->backend = f[0];
    ret->server = f[1];
    ret->has_server = *f[1] != '<';
    ret->status = (int)number(f[2]);
    ret->response_ms = number(f[3]);
    ret->connect_ms = number(f[4]);
    ret->bytes_in = number(f[5]);
    ret->bytes_out = number(f[6]);
    ret->ended = f[7];
    ret->access = at && read_access(&at, ret);
    return true;
}

int balancer_log_status(const struct balancer_log_line *l)
{
    bool left = l->ended[0] == 'C' &&
                (l->ended[1] == 'H' || l->ended[1] == 'Q' || l->ended[1] == 'C');
    return left && l->response_ms < 0 ? 460 : l->status;
}
