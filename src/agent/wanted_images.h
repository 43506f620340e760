/* wanted_images.h: the images that services of the cluster need (IMAGES of the server).
 *
 * Two uses. Clean-up leaves them alone, and removes nothing before the server has said which
 * they are. And those that tasks may need here are pulled ahead of them, one at a time, only
 * while no task pulls: a task's pull of another image ends ours, which begins again later
 * with the layers it had; a task's pull of the same one joins it. What can't be pulled is
 * logged and left for the next list.
 *
 * Owns: engine.wanted. Threads: the loop's, but for wanted_images_have(), which clean-up calls
 * on a worker: the list has a lock, held for a look or a swap. Fails: never. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "arena.h"
#include "gantry_api.h"
#include "image_store.h"

struct engine;

struct wanted_image {
    const char *name;   /* as tasks will ask for it: with the digest that is pinned */
    const char *spelt;  /* reference_print() of that */
    const char *plain;  /* and without the digest */
    const char *digest; /* NULL: none is pinned */
    bool prefetch;      /* still to be looked at */
};

struct wanted_images {
    pthread_mutex_t lock; /* of the list and known */
    struct arena arena;
    struct wanted_image *v;
    size_t n;
    bool known;

    uv_timer_t timer;
    const char *pulling; /* its name; NULL: nothing is pulled ahead */
    struct http_cancel *cancel;
};

void wanted_images_init(struct engine *e); /* part of engine_init() */
void wanted_images_stop(struct engine *e);
void wanted_images_fini(struct engine *e);

/* The server's word: all of them. */
void wanted_images_set(struct engine *e, const struct gantry_host_image_list *images);
/* A task is about to pull this one: others make room. */
void wanted_images_yield(struct engine *e, const char *image);

/* False when nothing is known yet; then clean-up has to wait. */
bool wanted_images_known(struct engine *e);
bool wanted_images_have(struct engine *e, const struct image_entry *entry);
