#include "layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "fd.h"
#include "str.h"

void layout_init(struct layout *l, struct options *o)
{
    struct arena *a = &o->arena;
    *l = (struct layout){
        .data_dir = o->data_dir,
        .server_dir = arena_printf(a, "%s/server", o->data_dir),
        .agent_dir = arena_printf(a, "%s/agent", o->data_dir),
        .run_id_path = arena_printf(a, "%s/run-id", o->data_dir),
        .keys_path = arena_printf(a, "%s/server/root-keys.json", o->data_dir),
        .run_dir = o->run_dir,
        .agent_run_dir = arena_printf(a, "%s/agent", o->run_dir),
        .lock_path = arena_printf(a, "%s/up.lock", o->run_dir),
        .record_path = arena_printf(a, "%s/up.json", o->run_dir),
        .log_path = arena_printf(a, "%s/up.log", o->run_dir),
        .pool_dir = arena_printf(a, "%s/fargate", o->data_dir),
        .pool_run_dir = arena_printf(a, "%s/fargate", o->run_dir),
        .vpc_dir = arena_printf(a, "%s/vpc", o->run_dir),
        .public_pool_path = arena_printf(a, "%s/public-pool", o->data_dir),
    };
}

void layout_set_id(struct layout *l, const char id[static 9])
{
    memcpy(l->run_id, id, sizeof(l->run_id));
    memcpy(l->agent_run, id, sizeof(l->run_id));
}

struct layout layout_of_pool(const struct layout *l)
{
    struct layout pool = *l;
    pool.agent_dir = l->pool_dir;
    pool.agent_run_dir = l->pool_run_dir;
    if (*l->run_id)
        snprintf(pool.agent_run, sizeof(pool.agent_run), "%sf", l->run_id);
    return pool;
}

int layout_read_id(struct layout *l, struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = file_read(AT_FDCWD, l->run_id_path, 64, &text, err);
    if (r == -E_NOTFOUND)
        return fail(err, E_NOTFOUND, "'%s' holds no run of gantry", l->data_dir);
    if (r < 0)
        return r;
    unsigned char raw[4];
    text.data[strcspn(text.data, "\n")] = '\0';
    if (strlen(text.data) != 8 || !hex_decode(text.data, raw, sizeof(raw)))
        return fail(err, E_CORRUPT, "'%s' holds no run's id", l->run_id_path);
    layout_set_id(l, text.data);
    return 0;
}

static int make_id(struct layout *l, struct error *err)
{
    unsigned char raw[4];
    char id[9];
    if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
        return fail_errno(err, errno, "getrandom");
    hex_encode(raw, sizeof(raw), id);
    layout_set_id(l, id);
    AUTO_STR text = STR_INIT;
    str_addf(&text, "%s\n", l->run_id);
    return file_replace(l->run_id_path, text.data, text.len, 0644, 1, err);
}

static bool dir_empty(const char *path)
{
    DIR *d = opendir(path);
    bool empty = true;
    for (struct dirent *e; d && empty && (e = readdir(d));)
        empty = streq(e->d_name, ".") || streq(e->d_name, "..");
    if (d)
        closedir(d);
    return empty;
}

static int make_data_dir(struct layout *l, struct error *err)
{
    int r = dir_make_all(l->data_dir, 0711, err);
    if (r < 0)
        return wrap(err, "making the data directory");
    r = layout_read_id(l, err);
    if (r != -E_NOTFOUND)
        return r < 0 ? r : 0;
    /* purge removes the whole directory, so it must never have held anything else. */
    if (!dir_empty(l->data_dir))
        return fail(err, E_CONFLICT,
                    "'%s' is not empty and not a run of gantry; choose "
                    "another --data-dir",
                    l->data_dir);
    r = make_id(l, err);
    /* A directory that was there, as from mktemp -d, may be closed to the server's user. */
    if (r == 0 && geteuid() == 0 && chmod(l->data_dir, 0711) < 0)
        return fail_errno(err, errno, "chmod '%s'", l->data_dir);
    return r;
}

static int own_server_dir(const struct layout *l, const struct server_user *user,
                          struct error *err)
{
    struct stat st;
    int r = dir_make_all(l->server_dir, 0700, err);
    if (r < 0 || geteuid() != 0)
        return r;
    AUTO_FD dir = open(l->server_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || fstat(dir, &st) < 0)
        return fail_errno(err, errno, "open '%s'", l->server_dir);
    if (st.st_uid == user->uid && st.st_gid == user->gid)
        return 0;
    return server_user_give(user, dir, l->server_dir, err);
}

int layout_make(struct layout *l, const struct server_user *user, struct error *err)
{
    int r = make_data_dir(l, err);
    if (r == 0 && user)
        r = own_server_dir(l, user, err);
    return r;
}

int layout_make_run_dir(const struct layout *l, struct error *err)
{
    int r = dir_make_all(l->run_dir, 0755, err);
    return r < 0 ? wrap(err, "making the run directory") : 0;
}

int layout_read_keys(const struct layout *l, struct arena *a, struct root_key_texts *ret,
                     struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = file_read(AT_FDCWD, l->keys_path, 4096, &text, err);
    if (r == -E_DENIED)
        return fail(err, E_DENIED,
                    "the keys in '%s' are for root and the server's user; "
                    "use sudo",
                    l->keys_path);
    if (r == -E_NOTFOUND)
        return fail(err, E_NOTFOUND,
                    "there are no keys under '%s': 'gantry up' makes them "
                    "at its first start",
                    l->data_dir);
    if (r < 0)
        return r;
    const char *id = NULL, *secret = NULL;
    json_t *root = json_loadb(text.data, text.len, 0, NULL);
    if (json_unpack(root, "{s:s, s:s}", "accessKeyId", &id, "secretAccessKey", &secret) <
        0) {
        json_decref(root);
        return fail(err, E_CORRUPT, "'%s' holds no access key", l->keys_path);
    }
    ret->access_key_id = arena_strdup(a, id);
    ret->secret = arena_strdup(a, secret);
    json_decref(root);
    return 0;
}
