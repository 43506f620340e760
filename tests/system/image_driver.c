/* image_driver: src/host's image half on a command line, for tests/system/test_images.py.
 *
 *   image_driver [OPTION…] DIR pull REF [OWNER] | find REF | list | remove DIGEST | sweep |
 *                              unpin DIGEST OWNER | mount ID REF | release ID |
 *                              unpack FILE TARGET | settle
 *   --ca FILE --user U --password P --ecr URL --fast (no waiting between tries)
 *   --kill-at STEP (SIGKILL to itself there) --copy --times N (so many pulls at once)
 *
 * Prints one JSON object a line; exit status 1 with {"error":…} on failure. */
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "image_store.h"
#include "layer.h"
#include "overlay.h"
#include "registry_client.h"

static struct options {
    const char *ca, *user, *password, *ecr, *kill_at;
    bool fast, copy;
    int times;
} opt;

static _Atomic int tries; /* waits between tries */

static void step(void *ctx, const char *name)
{
    if (streq(opt.kill_at, name))
        kill(getpid(), SIGKILL);
}

static int no_sleep(void *ctx, int64_t ms, struct http_cancel *cancel, struct error *err)
{
    tries++;
    return 0;
}

static int complain(const struct error *err)
{
    printf("{\"error\":\"%s\",\"text\":\"", error_name(err->code));
    for (const char *p = err->text; *p; p++)
        printf(*p == '"' || *p == '\\'   ? "\\%c"
               : (unsigned char)*p < ' ' ? " "
                                         : "%c",
               *p);
    printf("\",\"waits\":%d}\n", tries);
    return 1;
}

static void print_image(const struct image *i, double seconds)
{
    printf(
        "{\"reference\":\"%s\",\"digest\":\"%s\",\"manifest\":\"%s\",\"config\":\"%s\","
        "\"size\":%llu,\"seconds\":%.4f,\"waits\":%d,\"entrypoint\":\"%s\","
        "\"layers\":[",
        i->reference, i->digest, i->manifest_digest, i->config_digest,
        (unsigned long long)i->size_bytes, seconds, tries,
        i->config.entrypoint[0] ? i->config.entrypoint[0] : "");
    for (size_t n = 0; n < i->layer_count; n++)
        printf("%s\"%s\"", n ? "," : "", i->layers[n]);
    printf("]}\n");
}

static int print_entry(void *ctx, const struct image_entry *e, struct error *err)
{
    printf("{\"manifest\":\"%s\",\"pins\":%u,\"size\":%llu,\"references\":[",
           e->manifest_digest, e->pins, (unsigned long long)e->size_bytes);
    for (size_t n = 0; e->references[n]; n++)
        printf("%s\"%s\"", n ? "," : "", e->references[n]);
    printf("]}\n");
    return 0;
}

struct job {
    struct image_store *store;
    struct image_pull pull;
    struct image *image;
    struct error err;
    int result;
    double seconds;
};

static void *run_pull(void *arg)
{
    struct job *j = arg;
    int64_t t = clock_mono_ns();
    j->result = image_pull(j->store, &j->pull, &j->image, &j->err);
    j->seconds = (double)(clock_mono_ns() - t) / 1e9;
    return NULL;
}

static int pull(struct image_store *s, const char *ref, const char *owner)
{
    struct registry_auth auth = {opt.user, opt.password};
    struct job jobs[64] = {{0}};
    pthread_t threads[64];
    int n = opt.times > 0 && opt.times <= 64 ? opt.times : 1, status = 0;
    for (int i = 0; i < n; i++) {
        jobs[i].store = s;
        jobs[i].pull =
            (struct image_pull){.reference = ref, .auth = &auth, .pin_owner = owner};
        pthread_create(&threads[i], NULL, run_pull, &jobs[i]);
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        if (jobs[i].result < 0)
            status = complain(&jobs[i].err);
        else
            print_image(jobs[i].image, jobs[i].seconds);
        image_free(jobs[i].image);
    }
    return status;
}

static int mount_image(struct image_store *s, const char *dir, const char *id,
                       const char *ref, struct error *err)
{
    struct image *i;
    char path[4096], merged[OVERLAY_PATH_SIZE];
    int r = image_find(s, ref, &i, err);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/mounts", dir);
    struct overlay_config c = {.dir = path,
                               .id = id,
                               .layers = i->layers,
                               .layer_count = i->layer_count,
                               .volatile_upper = true,
                               .force_copy = opt.copy};
    int64_t t = clock_mono_ns();
    r = overlay_mount(&c, merged, err);
    t = clock_mono_ns() - t;
    image_free(i);
    if (r == 0)
        printf("{\"merged\":\"%s\",\"micros\":%lld}\n", merged, (long long)t / 1000);
    return r;
}

static int unpack(const char *file, const char *target, struct error *err)
{
    struct layer_result ret;
    char digest[BLOB_DIGEST_SIZE];
    mkdir(target, 0755);
    int root = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (root < 0 || fd < 0)
        return fail(err, E_NOTFOUND, "%s or %s", file, target);
    int64_t t = clock_mono_ns();
    int r = layer_unpack_fd(root, fd, NULL, &ret, err);
    t = clock_mono_ns() - t;
    close(root);
    close(fd);
    if (r < 0)
        return r;
    blob_digest_format(&ret.diff_id, digest);
    printf("{\"diff_id\":\"%s\",\"tar_bytes\":%llu,\"entries\":%u,\"seconds\":%.4f}\n",
           digest, (unsigned long long)ret.tar_bytes, ret.entries, (double)t / 1e9);
    return 0;
}

static int command(struct image_store *s, char **a, struct error *err)
{
    char path[4096];
    if (streq(a[1], "find")) {
        struct image *i;
        int r = image_find(s, a[2], &i, err);
        if (r < 0)
            return r;
        print_image(i, 0);
        image_free(i);
        return 0;
    }
    if (streq(a[1], "list"))
        return image_list(s, print_entry, NULL, err);
    if (streq(a[1], "remove"))
        return image_remove(s, a[2], err);
    if (streq(a[1], "unpin"))
        return image_unpin(s, a[2], a[3], err);
    if (streq(a[1], "sweep"))
        return image_store_sweep(s, INT64_MAX, err);
    if (streq(a[1], "settle"))
        return image_store_settle(s, err);
    if (streq(a[1], "mount"))
        return mount_image(s, a[0], a[2], a[3], err);
    if (streq(a[1], "release")) {
        snprintf(path, sizeof(path), "%s/mounts", a[0]);
        return overlay_release(path, a[2], err);
    }
    if (streq(a[1], "unpack"))
        return unpack(a[2], a[3], err);
    return fail(err, E_INVALID, "unknown command '%s'", a[1]);
}

static int run(char **a)
{
    struct error err = ERROR_INIT;
    struct registry_client *client = NULL;
    struct image_store *s = NULL;
    struct registry_client_config rc = {.ca_file = opt.ca, .ecr_url = opt.ecr};
    if (opt.fast)
        rc.env.sleep = no_sleep;
    int r = registry_client_new(&rc, &client, &err), status = 0;
    struct image_store_config sc = {.dir = a[0], .registry = client, .step = step};
    if (r == 0)
        r = image_store_open(&sc, &s, &err);
    if (r == 0 && streq(a[1], "pull"))
        status = pull(s, a[2], a[3]);
    else if (r == 0)
        r = command(s, a, &err);
    if (r < 0)
        status = complain(&err);
    image_store_close(s);
    registry_client_free(client);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"ca", 1, NULL, 'c'},      {"user", 1, NULL, 'u'},  {"password", 1, NULL, 'p'},
        {"ecr", 1, NULL, 'e'},     {"fast", 0, NULL, 'f'},  {"copy", 0, NULL, 'C'},
        {"kill-at", 1, NULL, 'k'}, {"times", 1, NULL, 't'}, {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            opt.ca = optarg;
            break;
        case 'u':
            opt.user = optarg;
            break;
        case 'p':
            opt.password = optarg;
            break;
        case 'e':
            opt.ecr = optarg;
            break;
        case 'f':
            opt.fast = true;
            break;
        case 'C':
            opt.copy = true;
            break;
        case 'k':
            opt.kill_at = optarg;
            break;
        case 't':
            opt.times = atoi(optarg);
            break;
        default:
            return 2;
        }
    }
    char *a[5] = {NULL};
    for (int i = 0; i < 4 && optind + i < argc; i++)
        a[i] = argv[optind + i];
    if (!a[1])
        return 2;
    return run(a);
}
