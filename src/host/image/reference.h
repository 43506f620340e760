/* reference.h: the name of an image, as people write it.
 *
 *   [registry[:port]/]repository[:tag][@digest]
 *
 * A first component is a registry when it has '.', ':' or an upper-case letter, or is
 * "localhost"; otherwise the registry is docker.io, and a repository of one component there
 * gets "library/" in front (the rules that docker's clients follow; grammar of the
 * repository, tag and digest: OCI distribution spec, "Pulling manifests").
 * `<account>.dkr.ecr.<region>.amazonaws.com` is ECR: it is gantry's own registry, whose
 * address the registry client knows; account and region stay in the reference, because the
 * token must be asked for them.
 *
 * Owns: nothing; the strings live in the arena given. Threads: any.
 * Fails: E_INVALID with the rule that is broken; E_UNSUPPORTED digest algorithm. */
#pragma once

#include <stdbool.h>

#include "arena.h"
#include "error.h"
#include "str.h"

#define REFERENCE_NAME_MAX 255 /* registry and repository together */
#define REFERENCE_TAG_MAX  128

struct reference {
    const char *registry;   /* "docker.io", "localhost:4566", "[::1]:5000" */
    const char *repository; /* "library/nginx" */
    const char *tag;        /* NULL when only a digest was given; "latest" when neither */
    const char *digest;     /* "sha256:…" or NULL */
    bool ecr;
    const char *account; /* 12 digits; NULL unless ecr */
    const char *region;  /* NULL unless ecr */
};

int reference_parse(struct arena *a, const char *text, struct reference *ret,
                    struct error *err);

/* The one spelling of a reference: everything spelt out, "docker.io/library/nginx:latest".
 * Two references are the same image name exactly when these are equal. */
void reference_print(const struct reference *r, struct str *ret);
/* "registry/repository" */
void reference_print_name(const struct reference *r, struct str *ret);

/* What goes after /v2/<repository>/manifests/: the digest when there is one, else the tag. */
const char *reference_manifest(const struct reference *r);

/* localhost, *.localhost, 127.0.0.0/8 or [::1], any port: plain HTTP is allowed there. */
bool reference_host_is_loopback(const char *registry);
/* Seen from an EC2 instance on a machine, the machine's gantry is at this address: what people
 * push to as 127.0.0.1:4566 is there. */
#define MACHINE_ADDRESS "169.254.169.250"
/* Both mean the same port of the machine; a name without a port means 80. */
bool reference_same_machine(const char *registry, const char *authority);
