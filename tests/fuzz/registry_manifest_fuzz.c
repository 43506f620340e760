/* Manifests, their children, and the paths and ranges of requests, from outside bytes. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "registry_manifest.h"
#include "registry_route.h"

static void ignore(void *ctx, const char *digest, const char *type, const char *json)
{
    (void)strlen(digest);
    (void)strlen(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA a = ARENA_INIT;
    struct manifest_facts facts;
    struct error err = ERROR_INIT;
    struct route route;
    struct string_list tags = {0};
    uint64_t first, length;
    registry_manifest_parse(&a, NULL, data, size, &facts, &err);
    registry_manifest_parse(&a, "application/vnd.oci.image.index.v1+json", data, size,
                            &facts, &err);
    manifest_each_child(&a, data, size, ignore, NULL, &err);
    const char *text = arena_strndup(&a, (const char *)data, size);
    route_parse(&a, text, &route);
    if (route.repository)
        route_repository_valid(route.repository);
    query_all(&a, text, "tag", &tags);
    range_parse_read(text, size, &first, &length);
    range_parse_upload(text, &first, &length);
    return 0;
}
