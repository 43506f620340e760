/* image_manifest_fuzz.c: what a registry sends: manifest, index, image config, challenge;
 * and what a person writes: a reference. Promises of the headers are checked. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "image_manifest.h"
#include "reference.h"
#include "registry_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_digest(const char *text)
{
    struct blob_digest d;
    assert(blob_digest_parse(text, &d, NULL) == 0);
}

static void try_manifest(const uint8_t *data, size_t size)
{
    AUTO_ARENA a = ARENA_INIT;
    struct manifest m;
    const struct content_descriptor *d;
    struct platform here;
    if (manifest_parse(&a, NULL, data, size, &m, NULL) < 0)
        return;
    for (size_t i = 0; i < m.layer_count; i++)
        check_digest(m.layers[i].digest);
    platform_of_machine(&here);
    if (m.kind == MANIFEST_INDEX && manifest_select(&m, &here, &d, NULL) == 0)
        check_digest(d->digest);
}

static void try_config(const uint8_t *data, size_t size)
{
    AUTO_ARENA a = ARENA_INIT;
    struct image_config c;
    if (image_config_parse(&a, data, size, &c, NULL) < 0)
        return;
    for (size_t i = 0; i < c.diff_id_count; i++)
        check_digest(c.diff_ids[i]);
    for (const char **e = c.env; *e; e++)
        assert(strchr(*e, '='));
}

static void try_text(const char *text)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR spelling = STR_INIT;
    AUTO_STR again = STR_INIT;
    struct reference r;
    struct challenge c;
    challenge_parse(&a, text, &c, NULL);
    if (reference_parse(&a, text, &r, NULL) < 0)
        return;
    reference_print(&r, &spelling);
    assert(!strstr(r.repository, "..") && r.repository[0] != '/');
    assert(reference_parse(&a, spelling.data, &r, NULL) == 0);
    reference_print(&r, &again);
    assert(streq(spelling.data, again.data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_STR text = STR_INIT;
    str_addn(&text, data, size);
    try_manifest(data, size);
    try_config(data, size);
    try_text(str_text(&text));
    return 0;
}
