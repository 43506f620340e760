/* What a codec costs: a task definition of about 3.8 kB read and written, a RunTask reply,
 * the signature of a request of 2 kB parsed and checked. Prints microseconds each; run by hand:
 *     ninja -C build tests/bench/wire_bench && build/tests/bench/wire_bench */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "clock.h"
#include "ecs_api.h"
#include "json.h"
#include "sigv4.h"
#include "sigv4_keys.h"

#define ROUNDS 20000

static void add_container(struct str *s, int i)
{
    str_addf(
        s,
        "%s{\"name\":\"container-%d\",\"image\":\"000000000000.dkr.ecr.us-east-1."
        "amazonaws.com/team/service-%d:1.2.3\",\"cpu\":128,\"memory\":256,"
        "\"memoryReservation\":128,\"essential\":true,\"portMappings\":[{"
        "\"containerPort\":8080,\"hostPort\":0,\"protocol\":\"tcp\",\"name\":\"http\"}"
        "],\"environment\":[",
        i ? "," : "", i, i);
    for (int k = 0; k < 8; k++)
        str_addf(s, "%s{\"name\":\"SETTING_NUMBER_%d\",\"value\":\"some value %d\"}",
                 k ? "," : "", k, k);
    str_add(
        s,
        "],\"mountPoints\":[{\"sourceVolume\":\"data\",\"containerPath\":\"/var/lib/"
        "data\",\"readOnly\":false}],\"dockerLabels\":{\"com.example.team\":\"blue\","
        "\"com.example.tier\":\"web\"},\"logConfiguration\":{\"logDriver\":\"awslogs\","
        "\"options\":{\"awslogs-group\":\"/ecs/service\",\"awslogs-region\":"
        "\"us-east-1\",\"awslogs-stream-prefix\":\"web\"}},\"healthCheck\":{\"command\":"
        "[\"CMD-SHELL\",\"curl -f http://localhost:8080/ || exit 1\"],\"interval\":10,"
        "\"timeout\":5,\"retries\":3},\"ulimits\":[{\"name\":\"nofile\",\"softLimit\":"
        "1024,\"hardLimit\":4096}]}");
}

static void task_definition(struct str *s)
{
    str_add(
        s,
        "{\"family\":\"service\",\"networkMode\":\"awsvpc\",\"cpu\":\"512\",\"memory\":"
        "\"1024\",\"requiresCompatibilities\":[\"FARGATE\"],\"volumes\":[{\"name\":"
        "\"data\",\"host\":{}}],\"containerDefinitions\":[");
    for (int i = 0; i < 3; i++)
        add_container(s, i);
    str_add(s, "]}");
}

static void report(const char *what, int64_t from)
{
    printf("%-28s %8.2f us\n", what, (double)(clock_mono_ns() - from) / 1000 / ROUNDS);
}

static void codec(const struct str *text)
{
    const struct wire_shape *shape = &ecs_register_task_definition_request_shape;
    AUTO_ARENA a = ARENA_INIT;
    AUTO_ARENA kept = ARENA_INIT;
    AUTO_STR out = STR_INIT;
    struct wire_error error;
    void *value = NULL;
    int64_t from = clock_mono_ns();
    for (int i = 0; i < ROUNDS; i++) {
        arena_reset(&a);
        if (wire_json_decode(&a, shape, text->data, text->len, false, &value, &error) <
            0) {
            fprintf(stderr, "%s\n", error.text);
            exit(1);
        }
    }
    report("decode, checked", from);
    wire_json_decode(&kept, shape, text->data, text->len, true, &value, &error);
    from = clock_mono_ns();
    for (int i = 0; i < ROUNDS; i++) {
        str_clear(&out);
        wire_json_encode(&out, shape, value);
    }
    report("encode", from);
    from = clock_mono_ns();
    for (int i = 0; i < ROUNDS; i++) {
        arena_reset(&a);
        wire_copy(&a, shape, value);
    }
    report("copy", from);
    printf("%zu bytes of text, %zu of structs\n", text->len, kept.used_bytes);
}

static void check(struct sigv4_keys *keys, struct arena *a, const struct sigv4 *sig,
                  const char *secret)
{
    uint8_t key[32];
    const char *why;
    sigv4_keys_get(keys, sig, secret, key);
    if (sigv4_check(a, sig, key, 0, &why) != SIGV4_OK)
        exit(1);
}

/* What OpenSSL alone takes for these bytes: two hashes and an HMAC. */
static void floor_of(const struct wire_http_request *req, const struct sigv4 *sig)
{
    uint8_t digest[EVP_MAX_MD_SIZE], key[32] = {0};
    unsigned n;
    size_t len = strlen(sig->canonical_request);
    int64_t from = clock_mono_ns();
    for (int i = 0; i < ROUNDS; i++) {
        EVP_Digest(req->body, req->body_len, digest, &n, EVP_sha256(), NULL);
        EVP_Digest(sig->canonical_request, len, digest, &n, EVP_sha256(), NULL);
        HMAC(EVP_sha256(), key, sizeof(key), (const uint8_t *)sig->string_to_sign,
             strlen(sig->string_to_sign), digest, &n);
    }
    report("OpenSSL alone, same bytes", from);
}

static void signature(const struct str *text)
{
    AUTO_ARENA base = ARENA_INIT;
    struct wire_header headers[8] = {
        {"Host", "localhost:4566"},
        {"Content-Type", "application/x-amz-json-1.1"},
        {"X-Amz-Target", "AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition"}};
    struct wire_http_request req = {.method = "POST",
                                    .path = "/",
                                    .headers = headers,
                                    .header_count = 3,
                                    .body = text->data,
                                    .body_len = text->len};
    struct sigv4_credentials c = {"AKIDEXAMPLE",
                                  "a secret of forty characters, more or less", NULL};
    const struct wire_header *more = sigv4_sign(&base, &req, &c, "us-east-1", "ecs", 0);
    for (; more->name; more++)
        headers[req.header_count++] = *more;
    AUTO_ARENA a = ARENA_INIT;
    struct sigv4 sig;
    const char *why;
    char hash[SIGV4_HASH_SIZE];
    int64_t from = clock_mono_ns();
    for (int i = 0; i < ROUNDS; i++) {
        arena_reset(&a);
        sigv4_hash(req.body, req.body_len, hash);
        if (sigv4_parse(&a, &req, hash, &sig, &why) != SIGV4_OK)
            exit(1);
    }
    report("sigv4 parse with body hash", from);
    from = clock_mono_ns();
    for (int i = 0; i < ROUNDS; i++)
        check(NULL, &a, &sig, c.secret);
    report("sigv4 check, key made", from);
    struct sigv4_keys *keys = sigv4_keys_new();
    from = clock_mono_ns();
    for (int i = 0; i < ROUNDS; i++)
        check(keys, &a, &sig, c.secret);
    report("sigv4 check, key kept", from);
    sigv4_keys_free(keys);
    floor_of(&req, &sig);
}

int main(void)
{
    AUTO_STR text = STR_INIT;
    task_definition(&text);
    codec(&text);
    text.len = 2000;
    signature(&text);
    return 0;
}
