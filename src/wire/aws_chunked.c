#include "aws_chunked.h"

#include <stdlib.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "str.h"

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum state {
    AT_SIZE,     /* the line before a chunk */
    AT_DATA,     /* its bytes */
    AT_DATA_END, /* the line's end behind them */
    AT_TRAILER,  /* lines behind the last chunk */
    AT_END,
};

struct trailer {
    char *name, *value;
};

struct aws_chunked {
    struct aws_chunked_config config;
    enum state state;
    struct str line;
    uint64_t left;      /* bytes of the chunk that are to come */
    bool last;          /* the chunk of no bytes */
    char previous[65];  /* signature before this one */
    char signature[65]; /* of the chunk, as it says */
    EVP_MD_CTX *hash;
    struct trailer trailers[AWS_CHUNKED_MAX_TRAILERS];
    size_t trailer_count;
    struct str trailer_text; /* as it is signed */
    bool trailer_signed;
};

static bool is_signed(const struct aws_chunked *c)
{
    return c->config.kind != SIGV4_PAYLOAD_UNSIGNED_TRAILER;
}

static bool has_trailers(const struct aws_chunked *c)
{
    return c->config.kind != SIGV4_PAYLOAD_CHUNKED;
}

struct aws_chunked *aws_chunked_new(const struct aws_chunked_config *config)
{
    struct aws_chunked *c = xcalloc(1, sizeof(*c));
    c->config = *config;
    c->config.scope = xstrdup(config->scope ? config->scope : "");
    c->config.date = xstrdup(config->date ? config->date : "");
    c->config.seed = NULL;
    str_addn(&c->line, "", 0);
    if (config->seed && strlen(config->seed) == 64)
        memcpy(c->previous, config->seed, 65);
    c->hash = EVP_MD_CTX_new();
    EVP_DigestInit_ex(c->hash, EVP_sha256(), NULL);
    return c;
}

void aws_chunked_free(struct aws_chunked *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->trailer_count; i++) {
        free(c->trailers[i].name);
        free(c->trailers[i].value);
    }
    OPENSSL_cleanse(c->config.key, sizeof(c->config.key));
    EVP_MD_CTX_free(c->hash);
    str_free(&c->line);
    str_free(&c->trailer_text);
    free((char *)(uintptr_t)c->config.scope);
    free((char *)(uintptr_t)c->config.date);
    free(c);
}

/* ---- signatures ---- */

static int check_signature(struct aws_chunked *c, const char *what, const char *hash,
                           struct error *err)
{
    uint8_t mac[32];
    char want[65];
    unsigned n = sizeof(mac);
    if (!c->config.check) {
        memcpy(c->previous, c->signature, sizeof(c->previous));
        return 0;
    }
    AUTO_STR text = STR_INIT;
    str_addf(&text, "AWS4-HMAC-SHA256-%s\n%s\n%s\n%s\n%s%s", what, c->config.date,
             c->config.scope, c->previous, streq(what, "PAYLOAD") ? EMPTY_HASH "\n" : "",
             hash);
    HMAC(EVP_sha256(), c->config.key, 32, (const uint8_t *)text.data, text.len, mac, &n);
    hex_encode(mac, sizeof(mac), want);
    if (CRYPTO_memcmp(want, c->signature, 64) != 0)
        return fail(err, E_DENIED, "the signature of a chunk does not match");
    memcpy(c->previous, c->signature, sizeof(c->previous));
    return 0;
}

static int chunk_ended(struct aws_chunked *c, struct error *err)
{
    uint8_t digest[32];
    char hex[65];
    if (!is_signed(c))
        return 0;
    EVP_DigestFinal_ex(c->hash, digest, NULL);
    EVP_DigestInit_ex(c->hash, EVP_sha256(), NULL);
    hex_encode(digest, sizeof(digest), hex);
    return check_signature(c, "PAYLOAD", hex, err);
}

/* ---- lines ---- */

static int hex_value(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    if (ch >= 'a' && ch <= 'f')
        return ch - 'a' + 10;
    return ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

static int take_signature(struct aws_chunked *c, const char *text, struct error *err)
{
    uint8_t digest[32];
    if (strlen(text) != 64 || !hex_decode(text, digest, sizeof(digest)))
        return fail(err, E_INVALID, "a chunk's signature is not 64 hexadecimal digits");
    hex_encode(digest, sizeof(digest), c->signature);
    return 0;
}

static int size_line(struct aws_chunked *c, const char *line, struct error *err)
{
    static const char extension[] = ";chunk-signature=";
    uint64_t size = 0;
    size_t n = 0;
    for (; hex_value(line[n]) >= 0; n++) {
        if (n == 15)
            return fail(err, E_INVALID, "a chunk is too long");
        size = size * 16 + (uint64_t)hex_value(line[n]);
    }
    if (n == 0)
        return fail(err, E_INVALID, "a chunk's size is missing");
    if (is_signed(c)) {
        if (!str_starts(line + n, extension))
            return fail(err, E_INVALID, "a chunk's signature is missing");
        int r = take_signature(c, line + n + sizeof(extension) - 1, err);
        if (r < 0)
            return r;
    } else if (line[n]) {
        return fail(err, E_INVALID, "a chunk's size is followed by something");
    }
    c->left = size;
    c->last = size == 0;
    if (!c->last) {
        c->state = AT_DATA;
        return 0;
    }
    c->state = AT_TRAILER;
    return chunk_ended(c, err);
}

static int trailer_signature(struct aws_chunked *c, const char *text, struct error *err)
{
    char hash[SIGV4_HASH_SIZE];
    int r = take_signature(c, text, err);
    sigv4_hash(c->trailer_text.data, c->trailer_text.len, hash);
    c->trailer_signed = true;
    return r < 0 ? r : check_signature(c, "TRAILER", hash, err);
}

static int end_of_trailers(struct aws_chunked *c, struct error *err)
{
    if (c->config.kind == SIGV4_PAYLOAD_CHUNKED_TRAILER && !c->trailer_signed)
        return fail(err, E_INVALID, "the trailers' signature is missing");
    c->state = AT_END;
    return 0;
}

static int trailer_line(struct aws_chunked *c, const char *line, struct error *err)
{
    if (!*line)
        return end_of_trailers(c, err);
    const char *colon = strchr(line, ':');
    if (!colon || colon == line || !has_trailers(c) || c->trailer_signed)
        return fail(err, E_INVALID, "there is something behind the last chunk");
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t n = (size_t)(colon - line), len = strlen(value);
    while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    AUTO_STR name = STR_INIT, text = STR_INIT;
    for (size_t i = 0; i < n; i++)
        str_addc(&name,
                 line[i] >= 'A' && line[i] <= 'Z' ? (char)(line[i] + 32) : line[i]);
    str_addn(&text, value, len);
    if (streq(name.data, "x-amz-trailer-signature"))
        return trailer_signature(c, str_text(&text), err);
    if (c->trailer_count == AWS_CHUNKED_MAX_TRAILERS)
        return fail(err, E_LIMIT, "too many trailers");
    str_addf(&c->trailer_text, "%s:%s\n", name.data, str_text(&text));
    c->trailers[c->trailer_count++] =
        (struct trailer){xstrdup(name.data), xstrdup(str_text(&text))};
    return 0;
}

static int line_ended(struct aws_chunked *c, struct error *err)
{
    size_t n = c->line.len;
    if (n && c->line.data[n - 1] == '\r') /* what ends in LF alone is taken, too */
        c->line.data[--n] = '\0';
    if (memchr(str_text(&c->line), '\0', n))
        return fail(err, E_INVALID, "a line holds a NUL");
    int r = 0;
    if (c->state == AT_SIZE)
        r = size_line(c, str_text(&c->line), err);
    else if (c->state == AT_TRAILER)
        r = trailer_line(c, str_text(&c->line), err);
    else if (n)
        r = fail(err, E_INVALID, "a chunk is longer than it says");
    else
        c->state = AT_SIZE;
    str_clear(&c->line);
    return r;
}

static int feed_line(struct aws_chunked *c, const char *data, size_t len,
                     size_t *ret_used, struct error *err)
{
    const char *end = memchr(data, '\n', len);
    size_t n = end ? (size_t)(end - data) : len;
    *ret_used = n + (end != NULL);
    if (c->line.len + n > AWS_CHUNKED_MAX_LINE)
        return fail(err, E_LIMIT, "a line is too long");
    str_addn(&c->line, data, n);
    return end ? line_ended(c, err) : 0;
}

static int feed_data(struct aws_chunked *c, const char *data, size_t len,
                     size_t *ret_used, struct error *err)
{
    size_t n = len < c->left ? len : (size_t)c->left;
    int r = c->config.emit(c->config.ctx, data, n, err);
    *ret_used = n;
    if (r < 0)
        return r;
    if (is_signed(c) && c->config.check)
        EVP_DigestUpdate(c->hash, data, n);
    c->left -= n;
    if (c->left)
        return 0;
    c->state = AT_DATA_END;
    return chunk_ended(c, err);
}

int aws_chunked_feed(struct aws_chunked *c, const void *data, size_t len,
                     struct error *err)
{
    const char *p = data;
    while (len) {
        size_t used = 0;
        if (c->state == AT_END)
            return fail(err, E_INVALID, "there is something behind the last chunk");
        int r = c->state == AT_DATA ? feed_data(c, p, len, &used, err)
                                    : feed_line(c, p, len, &used, err);
        if (r < 0)
            return r;
        p += used;
        len -= used;
    }
    return 0;
}

/* Some clients leave out the empty line behind the last chunk when there is no trailer. */
int aws_chunked_finish(const struct aws_chunked *c, struct error *err)
{
    bool bare = c->state == AT_TRAILER && c->line.len == 0 &&
                (c->config.kind != SIGV4_PAYLOAD_CHUNKED_TRAILER || c->trailer_signed);
    return c->state == AT_END || bare
               ? 0
               : fail(err, E_INVALID, "the body ends before its last chunk");
}

const char *aws_chunked_trailer(const struct aws_chunked *c, const char *name)
{
    for (size_t i = 0; i < c->trailer_count; i++)
        if (strcasecmp(c->trailers[i].name, name) == 0)
            return c->trailers[i].value;
    return NULL;
}
