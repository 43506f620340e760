/* Images, names and pins as files. Nothing here is synced to the disk: what a power cut
 * leaves half-written does not match its digest, or is no JSON, and counts as not there. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "image_store_impl.h"

#define NAME_MAX_BYTES 4096
#define OWNER_MAX      128

const char *digest_hex(const char *digest)
{
    const char *colon = strchr(digest, ':');
    return colon ? colon + 1 : digest;
}

/* ---- images ---- */

static void image_dir(const struct image_store *s, const char *manifest_digest,
                      const char *leaf, struct str *ret)
{
    store_path(s, "images", digest_hex(manifest_digest), ret);
    str_add(ret, leaf);
}

static int read_verified(const char *path, const char *digest, size_t max,
                         struct str *ret, struct error *err)
{
    struct blob_digest want, has;
    int r = blob_digest_parse(digest, &want, err);
    if (r < 0 || (r = file_read(AT_FDCWD, path, max, ret, err)) < 0)
        return r;
    blob_digest_of(want.algorithm, str_text(ret), ret->len, &has);
    if (!blob_digest_equal(&has, &want))
        return fail(err, E_NOTFOUND, "'%s' is not whole", path);
    return 0;
}

int image_read(struct image_store *s, const char *manifest_digest,
               struct str *ret_manifest, struct str *ret_config, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR manifest = STR_INIT;
    AUTO_STR config = STR_INIT;
    struct manifest m;
    int r;
    image_dir(s, manifest_digest, "/manifest", &manifest);
    image_dir(s, manifest_digest, "/config", &config);
    if ((r = read_verified(manifest.data, manifest_digest, MANIFEST_MAX_BYTES,
                           ret_manifest, err)) < 0 ||
        (r = manifest_parse(&a, NULL, ret_manifest->data, ret_manifest->len, &m, err)) <
            0 ||
        (r = read_verified(config.data, m.config.digest, IMAGE_CONFIG_MAX_BYTES,
                           ret_config, err)) < 0)
        return r;
    return 0;
}

void image_free(struct image *i)
{
    if (!i)
        return;
    arena_free(&i->arena);
    free(i);
}

static int load_layers(struct image_store *s, struct image *i, struct error *err)
{
    i->layer_count = i->config.diff_id_count;
    i->layers = arena_new_array(&i->arena, const char *, i->layer_count + 1);
    for (size_t n = 0; n < i->layer_count; n++) {
        const char *diff_id = i->config.diff_ids[n];
        if (!layer_is_here(s, diff_id))
            return fail(err, E_NOTFOUND, "layer %s is not here", diff_id);
        i->layers[n] =
            arena_printf(&i->arena, "%s/layers/%s", s->dir, digest_hex(diff_id));
    }
    return 0;
}

static int load_into(struct image_store *s, const char *manifest_digest, struct image *i,
                     struct error *err)
{
    AUTO_STR manifest = STR_INIT;
    AUTO_STR config = STR_INIT;
    struct manifest m;
    int r;
    if ((r = image_read(s, manifest_digest, &manifest, &config, err)) < 0 ||
        (r = manifest_parse(&i->arena, NULL, manifest.data, manifest.len, &m, err)) < 0 ||
        (r = image_config_parse(&i->arena, config.data, config.len, &i->config, err)) < 0)
        return r;
    i->manifest_digest = arena_strdup(&i->arena, manifest_digest);
    i->config_digest = m.config.digest;
    for (size_t n = 0; n < m.layer_count; n++)
        i->size_bytes += m.layers[n].size;
    return load_layers(s, i, err);
}

static void touch(struct image_store *s, const char *manifest_digest)
{
    AUTO_STR path = STR_INIT;
    image_dir(s, manifest_digest, "", &path);
    utimensat(AT_FDCWD, path.data, NULL, 0);
}

int image_load(struct image_store *s, const char *manifest_digest, struct image **ret,
               struct error *err)
{
    struct image *i = xcalloc(1, sizeof(*i));
    int r = load_into(s, manifest_digest, i, err);
    if (r < 0) {
        image_free(i);
        return r;
    }
    touch(s, manifest_digest);
    *ret = i;
    return 0;
}

static int write_files(const char *temp, const struct str *manifest,
                       const struct str *config, struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/manifest", temp);
    int r = file_replace(path.data, manifest->data, manifest->len, 0600, 0, err);
    if (r < 0)
        return r;
    str_clear(&path);
    str_addf(&path, "%s/config", temp);
    return file_replace(path.data, config->data, config->len, 0600, 0, err);
}

/* Moves the folder to its name. When one is there already, another process was quicker, and
 * may be reading it: a whole one stays; a broken one changes places with ours, so that
 * there is one at every moment. */
static int place_folder(struct image_store *s, const char *manifest_digest,
                        const char *temp, const char *path, struct error *err)
{
    AUTO_STR manifest = STR_INIT;
    AUTO_STR config = STR_INIT;
    if (rename(temp, path) == 0)
        return 0;
    if (image_read(s, manifest_digest, &manifest, &config, NULL) == 0)
        return 0;
    if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_EXCHANGE) < 0)
        return fail_errno(err, errno, "publish image '%s'", path);
    return 0;
}

int image_save(struct image_store *s, const char *manifest_digest,
               const struct str *manifest, const struct str *config, struct error *err)
{
    AUTO_STR temp = STR_INIT;
    AUTO_STR path = STR_INIT;
    AUTO_STR have_manifest = STR_INIT;
    AUTO_STR have_config = STR_INIT;
    if (image_read(s, manifest_digest, &have_manifest, &have_config, NULL) == 0)
        return 0;
    int r = store_temp(s, &temp, err);
    if (r < 0)
        return r;
    r = write_files(temp.data, manifest, config, err);
    store_step(s, "image-written");
    image_dir(s, manifest_digest, "", &path);
    if (r == 0)
        r = place_folder(s, manifest_digest, temp.data, path.data, err);
    dir_remove_all(temp.data, NULL); /* what is left there, if anything */
    store_step(s, "image-published");
    return r;
}

/* ---- names ---- */

static void name_path(const struct image_store *s, const char *reference, struct str *ret)
{
    struct blob_digest d;
    char text[BLOB_DIGEST_SIZE];
    blob_digest_of(BLOB_SHA256, reference, strlen(reference), &d);
    blob_digest_format(&d, text);
    store_path(s, "names", digest_hex(text), ret);
}

static int name_read(struct arena *a, const char *path, struct image_name *ret,
                     struct error *err)
{
    AUTO_STR text = STR_INIT;
    struct blob_digest d;
    int r = file_read(AT_FDCWD, path, NAME_MAX_BYTES, &text, err);
    if (r < 0)
        return r;
    json_t *j = json_loadb(str_text(&text), text.len, 0, NULL);
    const char *reference = json_string_value(json_object_get(j, "reference"));
    const char *digest = json_string_value(json_object_get(j, "digest"));
    const char *manifest = json_string_value(json_object_get(j, "manifest"));
    if (!reference || !digest || !manifest || blob_digest_parse(digest, &d, NULL) < 0 ||
        blob_digest_parse(manifest, &d, NULL) < 0) {
        r = fail(err, E_NOTFOUND, "'%s' is not whole", path);
    } else {
        ret->reference = arena_strdup(a, reference);
        ret->digest = arena_strdup(a, digest);
        ret->manifest_digest = arena_strdup(a, manifest);
    }
    json_decref(j);
    return r;
}

int name_load(struct image_store *s, struct arena *a, const char *reference,
              struct image_name *ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    name_path(s, reference, &path);
    int r = name_read(a, path.data, ret, err);
    if (r == 0 && !streq(ret->reference, reference))
        return fail(err, E_NOTFOUND, "'%s' names another image", path.data);
    return r;
}

int name_save(struct image_store *s, const struct image_name *n, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR path = STR_INIT;
    AUTO_STR text = STR_INIT;
    struct image_name have;
    if (name_load(s, &a, n->reference, &have, NULL) == 0 &&
        streq(have.digest, n->digest) && streq(have.manifest_digest, n->manifest_digest))
        return 0;
    /* No part of it can hold a character that JSON quotes: the grammars forbid them. */
    str_addf(&text, "{\"reference\":\"%s\",\"digest\":\"%s\",\"manifest\":\"%s\"}\n",
             n->reference, n->digest, n->manifest_digest);
    name_path(s, n->reference, &path);
    return file_replace(path.data, text.data, text.len, 0600, 0, err);
}

int name_remove(struct image_store *s, const char *reference, struct error *err)
{
    AUTO_STR path = STR_INIT;
    name_path(s, reference, &path);
    if (unlink(path.data) < 0 && errno != ENOENT)
        return fail_errno(err, errno, "remove '%s'", path.data);
    return 0;
}

int name_each(struct image_store *s, struct arena *a,
              int (*visit)(void *ctx, const struct image_name *n, struct error *err),
              void *ctx, struct error *err)
{
    AUTO_STR dir = STR_INIT;
    store_path(s, "names", "", &dir);
    DIR *d = opendir(dir.data);
    if (!d)
        return fail_errno(err, errno, "read directory '%s'", dir.data);
    int r = 0;
    struct dirent *e;
    while (r >= 0 && (e = readdir(d))) {
        AUTO_STR path = STR_INIT;
        struct image_name n;
        store_path(s, "names", e->d_name, &path);
        if (e->d_name[0] != '.' && !strchr(e->d_name, '.') &&
            name_read(a, path.data, &n, NULL) == 0)
            r = visit(ctx, &n, err);
    }
    closedir(d);
    return r < 0 ? r : 0;
}

/* ---- pins ---- */

static int pin_path(struct image_store *s, const char *manifest_digest, const char *owner,
                    struct str *ret, struct error *err)
{
    struct blob_digest d;
    size_t n = strlen(owner);
    int r = blob_digest_parse(manifest_digest, &d, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)owner[i]) && owner[i] != '-' && owner[i] != '_')
            n = 0;
    if (n == 0 || n > OWNER_MAX)
        return fail(err, E_INVALID, "'%.200s' can't own a pin", owner);
    store_path(s, "pins", digest_hex(manifest_digest), ret);
    str_addf(ret, ".%s", owner);
    return 0;
}

int image_pin(struct image_store *s, const char *manifest_digest, const char *owner,
              struct error *err)
{
    AUTO_STR path = STR_INIT;
    AUTO_STR dir = STR_INIT;
    AUTO_FD lock = -1;
    int r = pin_path(s, manifest_digest, owner, &path, err);
    if (r < 0 || (r = store_lock(s, "store", LOCK_SH, true, NULL, &lock, err)) < 0)
        return r;
    image_dir(s, manifest_digest, "/manifest", &dir);
    if (access(dir.data, F_OK) < 0)
        return fail(err, E_NOTFOUND, "image %s is not here", manifest_digest);
    AUTO_FD fd = open(path.data, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, errno, "pin '%s'", path.data);
    touch(s, manifest_digest);
    return 0;
}

int image_unpin(struct image_store *s, const char *manifest_digest, const char *owner,
                struct error *err)
{
    AUTO_STR path = STR_INIT;
    int r = pin_path(s, manifest_digest, owner, &path, err);
    if (r < 0)
        return r;
    if (unlink(path.data) < 0 && errno != ENOENT)
        return fail_errno(err, errno, "unpin '%s'", path.data);
    touch(s, manifest_digest);
    return 0;
}

/* Calls with the owner of each pin; of one image, or of all when hex is NULL. */
static int pin_each(struct image_store *s, const char *hex,
                    bool (*keep)(void *ctx, const char *owner), void *ctx,
                    struct error *err)
{
    AUTO_STR dir = STR_INIT;
    store_path(s, "pins", "", &dir);
    DIR *d = opendir(dir.data);
    if (!d)
        return fail_errno(err, errno, "read directory '%s'", dir.data);
    struct dirent *e;
    int r = 0;
    while (r == 0 && (e = readdir(d))) {
        const char *dot = strchr(e->d_name, '.');
        if (!dot || dot == e->d_name ||
            (hex &&
             (strlen(hex) != (size_t)(dot - e->d_name) || !str_starts(e->d_name, hex))))
            continue;
        if (!keep(ctx, dot + 1) && unlinkat(dirfd(d), e->d_name, 0) < 0 &&
            errno != ENOENT)
            r = fail_errno(err, errno, "unpin '%s'", e->d_name);
    }
    closedir(d);
    return r;
}

static bool count_one(void *ctx, const char *owner)
{
    ++*(unsigned *)ctx;
    return true;
}

/* When the pins can't be read the image counts as pinned: the safe side. */
unsigned pin_count(struct image_store *s, const char *manifest_digest)
{
    unsigned n = 0;
    if (pin_each(s, digest_hex(manifest_digest), count_one, &n, NULL) < 0)
        return 1;
    return n;
}

int image_unpin_dead(struct image_store *s, bool (*alive)(void *ctx, const char *owner),
                     void *ctx, struct error *err)
{
    return pin_each(s, NULL, alive, ctx, err);
}
