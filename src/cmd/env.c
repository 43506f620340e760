/* `gantry env`: exports for a shell. Every line ends in a semicolon, so that both
 * eval "$(gantry env)" and eval $(gantry env) are right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "layout.h"
#include "run_record.h"
#include "str.h"

static void print_export(const char *name, const char *value)
{
    printf("export %s='", name);
    for (; *value; value++) {
        if (*value == '\'')
            fputs("'\\''", stdout);
        else
            fputc(*value, stdout);
    }
    fputs("';\n", stdout);
}

static bool holds_contracts(const char *dir)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/ecs/2014-11-13/service-2.json", dir);
    return access(path.data, R_OK) == 0;
}

/* The contracts of the checkout (build/gantry) or of the installation (bin/gantry): an old
 * AWS CLI learns newer operations from them. */
static bool find_contracts(char ret[static 4096])
{
    static const char *const places[] = {"../api", "../share/gantry/api"};
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (n <= 0)
        return false;
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        AUTO_STR path = STR_INIT;
        str_addf(&path, "%s/%s", exe, places[i]);
        if (realpath(path.data, ret) && holds_contracts(ret))
            return true;
    }
    return false;
}

static void print_contracts(void)
{
    char dir[4096];
    const char *before = getenv("AWS_DATA_PATH");
    if (!find_contracts(dir))
        return;
    if (str_empty(before) || strstr(before, dir)) {
        print_export("AWS_DATA_PATH", dir);
        return;
    }
    AUTO_STR both = STR_INIT;
    str_addf(&both, "%s:%s", dir, before);
    print_export("AWS_DATA_PATH", both.data);
}

/* What a wildcard address serves is reached at the loopback. */
static void fallback_url(const struct options *o, struct str *ret)
{
    const char *port = strrchr(o->listen, ':');
    bool wildcard = str_starts(o->listen, "0.0.0.0:") || str_starts(o->listen, "[::]:");
    str_addf(ret, "http://%s%s", wildcard ? "127.0.0.1" : "",
             wildcard ? port : o->listen);
}

int env_command(struct options *o, struct error *err)
{
    struct layout l;
    struct run_record rec;
    struct root_key_texts keys = {"test", "test"};
    AUTO_STR url = STR_INIT;
    layout_init(&l, o);
    int r = run_record_read(l.record_path, &o->arena, &rec, err);
    if (r < 0 && r != -E_NOTFOUND)
        return r;
    if (r == -E_NOTFOUND) { /* `gantry server` by hand leaves no record */
        fallback_url(o, &url);
        rec = (struct run_record){.url = url.data, .region = o->region, .dev = o->dev};
    } else {
        o->data_dir = rec.data_dir;
        layout_init(&l, o);
    }
    if (!rec.dev && (r = layout_read_keys(&l, &o->arena, &keys, err)) < 0)
        return r;
    print_export("AWS_ENDPOINT_URL", rec.url);
    print_export("AWS_ACCESS_KEY_ID", keys.access_key_id);
    print_export("AWS_SECRET_ACCESS_KEY", keys.secret);
    print_export("AWS_DEFAULT_REGION", rec.region);
    print_export("AWS_REGION", rec.region);
    print_export("GANTRY_RUN_DIR", l.run_dir);
    print_contracts();
    if (getenv("AWS_SESSION_TOKEN"))
        fputs("unset AWS_SESSION_TOKEN;\n", stdout);
    if (o->cli)
        fputs("aws() { command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; };\n",
              stdout);
    return 0;
}
