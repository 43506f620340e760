#include "nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "fd.h"
#include "spawn.h"

#define NFT_TIMEOUT_MS 20000
#define DUMP_BYTES     65536
#define ELEMENT_BYTES  (NFT_DATA_MAX * 2 + 64) /* an element's share of a message */
/* A list of elements is one attribute, whose length is 16 bits. */
#define ELEMENTS_A_MESSAGE 200

/* --- by the nft program: rules --- */

static int run_nft(const char *const args[], const char *input, struct str *out,
                   struct error *err)
{
    AUTO_STR path = STR_INIT, errors = STR_INIT;
    int status = 0;
    int r = spawn_find("nft", &path, err);
    if (r == 0)
        r = spawn_run(path.data, args, input, out, &errors, NFT_TIMEOUT_MS, &status, err);
    if (r < 0)
        return r;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return fail(err, E_EXEC, "nft: %s", str_text(&errors));
    return 0;
}

int nft_load(const char *text, struct error *err)
{
    static const char *const args[] = {"nft", "-f", "-", NULL};
    return run_nft(args, text, NULL, err);
}

int nft_list(const char *const args[], struct str *ret, struct error *err)
{
    const char *argv[16] = {"nft", "-j", "list"};
    for (size_t n = 3; *args && n < 15; n++)
        argv[n] = *args++;
    return run_nft(argv, NULL, ret, err);
}

/* --- by netlink: elements --- */

struct message {
    char *buf;
    size_t used;
    uint32_t seq, change_seq;
};

static struct nlmsghdr *put_header(struct message *m, uint16_t type, uint16_t flags,
                                   uint8_t family, uint16_t res_id)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(m->buf + m->used);
    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    h->nlmsg_seq = m->seq++;
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
    g->nfgen_family = family;
    g->version = NFNETLINK_V0;
    g->res_id = htons(res_id);
    return h;
}

static void put_done(struct message *m, const struct nlmsghdr *h)
{
    m->used += NLMSG_ALIGN(h->nlmsg_len);
}

static void put_data(struct nlmsghdr *h, uint16_t type, const uint8_t *data, size_t len)
{
    struct nlattr *nest = mnl_attr_nest_start(h, type);
    mnl_attr_put(h, NFTA_DATA_VALUE, len, data);
    mnl_attr_nest_end(h, nest);
}

static void put_element(struct nlmsghdr *h, uint16_t command, const struct nft_element *e)
{
    struct nlattr *nest = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
    put_data(h, NFTA_SET_ELEM_KEY, e->key, e->key_len);
    if (e->data_len && command == NFT_MSG_NEWSETELEM)
        put_data(h, NFTA_SET_ELEM_DATA, e->data, e->data_len);
    mnl_attr_nest_end(h, nest);
}

static void put_elements(struct message *m, uint16_t command, uint16_t flags,
                         enum nft_family family, const char *table, const char *set,
                         const struct nft_element *elements, size_t count)
{
    struct nlmsghdr *h = put_header(m, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | command),
                                    (uint16_t)(NLM_F_ACK | flags), (uint8_t)family, 0);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, table);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
    struct nlattr *list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
    for (size_t i = 0; i < count; i++)
        put_element(h, command, &elements[i]);
    mnl_attr_nest_end(h, list);
    put_done(m, h);
}

/* Sends a batch and reads answers until that of each change came. The first errno. */
static int exchange(const struct message *m, int changes, int *ret_errno,
                    struct error *err)
{
    char buf[8192] __attribute__((aligned(8)));
    AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    int big = 4 << 20;
    *ret_errno = 0;
    if (fd < 0)
        return fail_errno(err, errno, "nfnetlink socket");
    if (m->used > (size_t)big)
        big = (int)m->used * 2;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
    if (send(fd, m->buf, m->used, 0) < 0)
        return fail_errno(err, errno, "send to nfnetlink");
    for (int answered = 0; answered < changes;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 10000) == 0)
            return fail(err, E_TIMEOUT, "nfnetlink does not answer");
        ssize_t n = recv(fd, buf, sizeof(buf), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, errno, "receive from nfnetlink");
        int left = (int)n;
        for (struct nlmsghdr *h = (void *)buf; mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left)) {
            if (h->nlmsg_type != NLMSG_ERROR)
                continue;
            const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
            if (e->error && !*ret_errno)
                *ret_errno = -e->error;
            /* A refusal of the batch as a whole answers its first message alone. */
            if (h->nlmsg_seq < m->change_seq)
                return 0;
            answered++;
        }
    }
    return 0;
}

static struct message begin(size_t count)
{
    struct message m = {.seq = 1};
    m.buf = xcalloc(1, 4096 + count * ELEMENT_BYTES);
    put_done(&m,
             put_header(&m, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
    m.change_seq = m.seq;
    return m;
}

static int finish(struct message *m, int changes, int *ret_errno, struct error *err)
{
    put_done(m, put_header(m, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
    int r = exchange(m, changes, ret_errno, err);
    free(m->buf);
    return r;
}

static int change(uint16_t command, uint16_t flags, enum nft_family family,
                  const char *table, const char *set, const struct nft_element *elements,
                  size_t count, int *ret_errno, struct error *err)
{
    if (count == 0)
        return 0;
    if (count > NFT_ELEMENTS_MAX)
        return fail(err, E_LIMIT, "%zu elements in one call", count);
    struct message m = begin(count);
    int changes = 0;
    for (size_t at = 0; at < count; at += ELEMENTS_A_MESSAGE, changes++) {
        size_t n = count - at < ELEMENTS_A_MESSAGE ? count - at : ELEMENTS_A_MESSAGE;
        put_elements(&m, command, flags, family, table, set, elements + at, n);
    }
    return finish(&m, changes, ret_errno, err);
}

int nft_add_elements(enum nft_family family, const char *table, const char *set,
                     const struct nft_element *elements, size_t count, struct error *err)
{
    int e = 0;
    int r = change(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, family, table, set,
                   elements, count, &e, err);
    if (r == 0 && e)
        return fail_errno(err, e, "adding to '%s' of table '%s'", set, table);
    return r;
}

int nft_set_element(enum nft_family family, const char *table, const char *map,
                    const struct nft_element *element, struct error *err)
{
    int e = 0;
    int r =
        change(NFT_MSG_NEWSETELEM, NLM_F_CREATE, family, table, map, element, 1, &e, err);
    if (r == 0 && (e == EBUSY || e == EEXIST)) { /* there, with other data */
        r = nft_delete_elements(family, table, map, element, 1, err);
        return r < 0 ? r : nft_add_elements(family, table, map, element, 1, err);
    }
    if (r == 0 && e)
        return fail_errno(err, e, "setting in '%s' of table '%s'", map, table);
    return r;
}

int nft_delete_elements(enum nft_family family, const char *table, const char *set,
                        const struct nft_element *elements, size_t count,
                        struct error *err)
{
    int e = 0;
    int r = change(NFT_MSG_DELSETELEM, 0, family, table, set, elements, count, &e, err);
    if (r < 0 || e == 0)
        return r;
    if (e != ENOENT)
        return fail_errno(err, e, "deleting from '%s' of table '%s'", set, table);
    /* One that is missing undoes the whole batch: then each alone. */
    for (size_t i = 0; count > 1 && i < count; i++) {
        r = nft_delete_elements(family, table, set, elements + i, 1, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* How many of the first changes fit into one message: the same set, the same direction. */
static size_t run_length(const struct nft_change *c, size_t count)
{
    size_t n = 1;
    while (n < count && n < ELEMENTS_A_MESSAGE && c[n].remove == c->remove &&
           streq(c[n].set, c->set))
        n++;
    return n;
}

static void put_run(struct message *m, enum nft_family family, const char *table,
                    const struct nft_change *c, size_t count)
{
    uint16_t command = c->remove ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM;
    struct nlmsghdr *h = put_header(
        m, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | command),
        (uint16_t)(NLM_F_ACK | (c->remove ? 0 : NLM_F_CREATE)), (uint8_t)family, 0);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, table);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, c->set);
    struct nlattr *list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
    for (size_t i = 0; i < count; i++)
        put_element(h, command, &c[i].element);
    mnl_attr_nest_end(h, list);
    put_done(m, h);
}

int nft_apply(enum nft_family family, const char *table, const struct nft_change *changes,
              size_t count, struct error *err)
{
    if (count == 0)
        return 0;
    struct message m = begin(count * 2); /* a message may hold one element only */
    int messages = 0, e = 0;
    for (size_t at = 0; at < count; messages++) {
        size_t n = run_length(changes + at, count - at);
        put_run(&m, family, table, changes + at, n);
        at += n;
    }
    int r = finish(&m, messages, &e, err);
    if (r == 0 && e)
        return fail_errno(err, e, "changing elements of table '%s'", table);
    return r;
}

int nft_find_element(enum nft_family family, const char *table, const char *set,
                     const struct nft_element *element, struct error *err)
{
    struct message m = {.seq = 1, .change_seq = 1, .buf = xcalloc(1, 4096)};
    int e = 0;
    put_elements(&m, NFT_MSG_GETSETELEM, 0, family, table, set, element, 1);
    int r = exchange(&m, 1, &e, err);
    free(m.buf);
    if (r == 0 && e)
        return fail_errno(err, e, "element of '%s'", set);
    return r;
}

/* --- dumps --- */

struct dump {
    void (*each)(void *arg, const struct nft_element *e);
    void *arg;
    struct nft_element element;
};

static int take_key(const struct nlattr *attr, void *data)
{
    struct nft_element *e = data;
    size_t n = mnl_attr_get_payload_len(attr);
    if (mnl_attr_get_type(attr) == NFTA_DATA_VALUE && n <= NFT_DATA_MAX) {
        memcpy(e->key, mnl_attr_get_payload(attr), n);
        e->key_len = (uint8_t)n;
    }
    return MNL_CB_OK;
}

static int take_data(const struct nlattr *attr, void *data)
{
    struct nft_element *e = data;
    size_t n = mnl_attr_get_payload_len(attr);
    if (mnl_attr_get_type(attr) == NFTA_DATA_VALUE && n <= NFT_DATA_MAX) {
        memcpy(e->data, mnl_attr_get_payload(attr), n);
        e->data_len = (uint8_t)n;
    }
    return MNL_CB_OK;
}

static int take_part(const struct nlattr *attr, void *data)
{
    if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_KEY)
        return mnl_attr_parse_nested(attr, take_key, data);
    if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_DATA)
        return mnl_attr_parse_nested(attr, take_data, data);
    return MNL_CB_OK;
}

static int take_element(const struct nlattr *attr, void *data)
{
    struct dump *d = data;
    memset(&d->element, 0, sizeof(d->element));
    mnl_attr_parse_nested(attr, take_part, &d->element);
    d->each(d->arg, &d->element);
    return MNL_CB_OK;
}

static int take_list(const struct nlattr *attr, void *data)
{
    if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_ELEMENTS)
        return mnl_attr_parse_nested(attr, take_element, data);
    return MNL_CB_OK;
}

static int take_message(const struct nlmsghdr *h, void *data)
{
    return mnl_attr_parse(h, sizeof(struct nfgenmsg), take_list, data);
}

static int run_dump(struct message *m, mnl_cb_t each, void *arg, struct error *err)
{
    AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    int r = fd < 0 || send(fd, m->buf, m->used, 0) < 0 ? -1 : MNL_CB_OK;
    while (r > MNL_CB_STOP) {
        ssize_t n = recv(fd, m->buf, DUMP_BYTES, 0);
        r = n < 0 ? -1 : mnl_cb_run(m->buf, (size_t)n, 1, 0, each, arg);
    }
    return r < 0 ? fail_errno(err, errno, "reading rules") : 0;
}

int nft_each_element(enum nft_family family, const char *table, const char *set,
                     void (*each)(void *arg, const struct nft_element *e), void *arg,
                     struct error *err)
{
    struct message m = {.seq = 1, .buf = xcalloc(1, DUMP_BYTES)};
    struct dump d = {.each = each, .arg = arg};
    struct nlmsghdr *h = put_header(&m, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM,
                                    NLM_F_DUMP, (uint8_t)family, 0);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, table);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
    put_done(&m, h);
    int r = run_dump(&m, take_message, &d, err);
    free(m.buf);
    return r < 0 ? wrap(err, "elements of '%s'", set) : 0;
}

struct name_dump {
    void (*each)(void *arg, const char *name);
    void *arg;
    uint16_t table_type, name_type;
    const char *table, *in_table, *name;
};

static int take_name_part(const struct nlattr *attr, void *data)
{
    struct name_dump *d = data;
    if (mnl_attr_get_type(attr) == d->table_type)
        d->in_table = mnl_attr_get_str(attr);
    if (mnl_attr_get_type(attr) == d->name_type)
        d->name = mnl_attr_get_str(attr);
    return MNL_CB_OK;
}

static int take_name(const struct nlmsghdr *h, void *data)
{
    struct name_dump *d = data;
    d->name = d->in_table = NULL;
    int r = mnl_attr_parse(h, sizeof(struct nfgenmsg), take_name_part, d);
    if (d->name && streq(d->in_table, d->table))
        d->each(d->arg, d->name);
    return r;
}

int nft_each_name(enum nft_kind kind, enum nft_family family, const char *table,
                  void (*each)(void *arg, const char *name), void *arg, struct error *err)
{
    struct message m = {.seq = 1, .buf = xcalloc(1, DUMP_BYTES)};
    struct name_dump d = {.each = each, .arg = arg, .table = table};
    d.table_type = kind == NFT_SETS ? NFTA_SET_TABLE : NFTA_CHAIN_TABLE;
    d.name_type = kind == NFT_SETS ? NFTA_SET_NAME : NFTA_CHAIN_NAME;
    uint16_t type = kind == NFT_SETS ? NFT_MSG_GETSET : NFT_MSG_GETCHAIN;
    struct nlmsghdr *h = put_header(&m, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type),
                                    NLM_F_DUMP, (uint8_t)family, 0);
    mnl_attr_put_strz(h, d.table_type, table);
    put_done(&m, h);
    int r = run_dump(&m, take_name, &d, err);
    free(m.buf);
    return r;
}

int nft_delete_table(enum nft_family family, const char *table, struct error *err)
{
    struct message m = begin(1);
    struct nlmsghdr *h = put_header(&m, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE,
                                    NLM_F_ACK, (uint8_t)family, 0);
    mnl_attr_put_strz(h, NFTA_TABLE_NAME, table);
    put_done(&m, h);
    int e = 0;
    int r = finish(&m, 1, &e, err);
    if (r == 0 && e && e != ENOENT)
        return fail_errno(err, e, "deleting table '%s'", table);
    return r;
}

bool nft_table_exists(enum nft_family family, const char *table)
{
    struct message m = {.seq = 1, .change_seq = 1, .buf = xcalloc(1, 4096)};
    struct nlmsghdr *h = put_header(&m, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE,
                                    NLM_F_ACK, (uint8_t)family, 0);
    mnl_attr_put_strz(h, NFTA_TABLE_NAME, table);
    put_done(&m, h);
    int e = 0;
    struct error ignored;
    int r = exchange(&m, 1, &e, &ignored);
    free(m.buf);
    return r == 0 && e == 0;
}

static void append_padded(uint8_t *to, uint8_t *len, const void *part, size_t n)
{
    size_t padded = (n + 3) & ~(size_t)3;
    if (*len + padded > NFT_DATA_MAX)
        abort(); /* keys are ours, never input */
    memset(to + *len, 0, padded);
    memcpy(to + *len, part, n);
    *len = (uint8_t)(*len + padded);
}

void nft_key_add(struct nft_element *e, const void *part, size_t len)
{
    append_padded(e->key, &e->key_len, part, len);
}

void nft_data_add(struct nft_element *e, const void *part, size_t len)
{
    append_padded(e->data, &e->data_len, part, len);
}
