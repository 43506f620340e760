#include "link_batch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define RECEIVE_BYTES 32768

void link_batch_init(struct link_batch *b, struct link_socket *s)
{
    b->s = s;
    b->used = 0;
    b->count = 0;
    b->first_seq = s->seq;
}

struct nlmsghdr *link_batch_next(struct link_batch *b, uint16_t type, uint16_t flags,
                                 int tolerated, const char *what)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(b->buf + b->used);
    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    h->nlmsg_seq = b->s->seq++;
    b->tolerated[b->count] = tolerated;
    b->what[b->count++] = what;
    return h;
}

void link_batch_add(struct link_batch *b, const struct nlmsghdr *h)
{
    b->used += NLMSG_ALIGN(h->nlmsg_len);
}

/* The kernel's own words of an extended answer, if it gave any. */
static const char *ext_message(const struct nlmsghdr *h, const struct nlmsgerr *e)
{
    if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
        return NULL;
    size_t skip = sizeof(*e);
    if (!(h->nlmsg_flags & NLM_F_CAPPED))
        skip += e->msg.nlmsg_len - sizeof(e->msg);
    const struct nlattr *attr;
    EACH_ATTRIBUTE(attr, h, skip)
    if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
        return mnl_attr_get_str(attr);
    return NULL;
}

int link_batch_run(struct link_batch *b, struct error *err)
{
    char buf[RECEIVE_BYTES] __attribute__((aligned(8)));
    int answered = 0, result = 0;
    if (send(b->s->fd, b->buf, b->used, 0) < 0)
        return fail_errno(err, errno, "send to rtnetlink");
    while (answered < b->count) {
        ssize_t n = recv(b->s->fd, buf, sizeof(buf), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, errno, "receive from rtnetlink");
        int left = (int)n;
        for (struct nlmsghdr *h = (void *)buf; mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left)) {
            if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_seq < b->first_seq)
                continue;
            const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
            uint32_t i = h->nlmsg_seq - b->first_seq;
            answered++;
            if (e->error == 0 || i >= (uint32_t)b->count ||
                -e->error == b->tolerated[i] || result < 0)
                continue;
            const char *words = ext_message(h, e);
            result = fail_errno(err, -e->error, "%s%s%s%s", b->what[i], words ? " (" : "",
                                words ? words : "", words ? ")" : "");
            if (-e->error == ENODEV || -e->error == ESRCH || -e->error == EADDRNOTAVAIL) {
                result = -E_NOTFOUND;
                if (err)
                    err->code = E_NOTFOUND;
            }
        }
    }
    return result;
}
