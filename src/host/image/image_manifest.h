/* image_manifest.h: what a registry says about an image: manifest, index, config.
 *
 * Reads OCI image manifests and indexes (OCI image spec 1.1: manifest.md, image-index.md,
 * config.md) and Docker's manifest v2 schema 2, manifest list and container config, which
 * differ in media types only. Input is a stranger's: sizes, counts and every string that
 * later names a file are checked here, so that nobody below has to.
 *
 * Owns: nothing; everything lives in the arena given.
 * Threads: any (pure).
 * Fails: E_INVALID malformed; E_LIMIT too large; E_UNSUPPORTED schema 1, unknown media
 * type, artifact that is no container image, no manifest for this platform. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

#define MANIFEST_MAX_BYTES     (4u << 20)
#define IMAGE_CONFIG_MAX_BYTES (8u << 20)
#define IMAGE_MAX_LAYERS       512
#define INDEX_MAX_MANIFESTS    1024

#define MEDIA_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"

struct platform {
    const char *os;           /* "linux" */
    const char *architecture; /* "amd64", "arm64", "arm", … (Go's names) */
    const char *variant;      /* "v7", "v8"; "" when none */
};

struct content_descriptor {
    const char *media_type;
    const char *digest; /* valid "sha256:…" or "sha512:…" */
    uint64_t size;
    struct platform platform; /* in an index; fields "" when not given */
};

enum manifest_kind { MANIFEST_IMAGE, MANIFEST_INDEX };

struct manifest {
    enum manifest_kind kind;
    const char *media_type;
    struct content_descriptor config;  /* image */
    struct content_descriptor *layers; /* image: bottom first */
    size_t layer_count;
    struct content_descriptor *manifests; /* index */
    size_t manifest_count;
};

/* content_type is the HTTP header's value (may be NULL; parameters are ignored): it and the
 * body's mediaType must agree when both are there. */
int manifest_parse(struct arena *a, const char *content_type, const void *data,
                   size_t len, struct manifest *ret, struct error *err);

/* This machine, from uname(2). Static text. */
void platform_of_machine(struct platform *ret);
/* The best entry for `want`: same os and architecture; the same variant first, then a lower
 * one that the machine also runs (arm v7 runs v6 and v5; arm64 has v8 by default). Entries
 * without a platform match last. E_UNSUPPORTED lists what is offered. */
int manifest_select(const struct manifest *index, const struct platform *want,
                    const struct content_descriptor **ret, struct error *err);

struct image_config {
    struct platform platform;
    const char **entrypoint;    /* NULL-ended, never NULL */
    const char **cmd;           /* NULL-ended, never NULL */
    const char **env;           /* NULL-ended "NAME=value", never NULL */
    const char *working_dir;    /* "" when none */
    const char *user;           /* "" when none */
    const char *stop_signal;    /* "" when none */
    const char **exposed_ports; /* NULL-ended "80/tcp" */
    const char **volumes;       /* NULL-ended absolute paths */
    const char **label_names;   /* NULL-ended, with … */
    const char **label_values;  /* … their values in the same order */
    const char **diff_ids;      /* NULL-ended, bottom first; valid digests */
    size_t diff_id_count;
    const char *created; /* as written; "" when none */
};

int image_config_parse(struct arena *a, const void *data, size_t len,
                       struct image_config *ret, struct error *err);
/* Does the image run here? E_UNSUPPORTED names both platforms. */
int image_config_check_platform(const struct image_config *c, const struct platform *want,
                                struct error *err);
