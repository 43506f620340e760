#include "balancer_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "str.h"

void balancer_id(const char *arn, char ret[static BALANCER_NAME_SIZE])
{
    const char *slash = arn ? strrchr(arn, '/') : NULL;
    const char *p = slash ? slash + 1 : arn;
    size_t n = 0;
    for (; p && *p && n < 32; p++)
        ret[n++] = isalnum((unsigned char)*p) ? *p : '-';
    ret[n] = '\0';
    if (n == 0)
        memcpy(ret, "none", sizeof("none"));
}

void balancer_backend_name(const char *group_arn, char ret[static BALANCER_NAME_SIZE])
{
    char id[BALANCER_NAME_SIZE];
    balancer_id(group_arn, id);
    snprintf(ret, BALANCER_NAME_SIZE, "tg-%.32s", id);
}

void balancer_frontend_name(const char *listener_arn, char ret[static BALANCER_NAME_SIZE])
{
    char id[BALANCER_NAME_SIZE];
    balancer_id(listener_arn, id);
    snprintf(ret, BALANCER_NAME_SIZE, "l-%.32s", id);
}

uint64_t balancer_hash(uint64_t seed, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        seed = (seed ^ p[i]) * 0x100000001b3ULL;
    return seed;
}

void balancer_server_name(const char *group_arn, const char *target_id,
                          const char *address, int port,
                          char ret[static BALANCER_NAME_SIZE])
{
    AUTO_STR key = STR_INIT;
    str_addf(&key, "%s|%s|%s|%d", group_arn ? group_arn : "", target_id ? target_id : "",
             address ? address : "", port);
    snprintf(ret, BALANCER_NAME_SIZE, "t%016llx",
             (unsigned long long)balancer_hash(BALANCER_HASH_SEED, key.data, key.len));
}
