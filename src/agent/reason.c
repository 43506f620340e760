#include "reason.h"

#include "image_manifest.h"

static const struct {
    enum reason_step step;
    enum error_code code; /* E_OK: any other */
    const char *name;
} names[] = {
    {REASON_PULL, E_OK, "CannotPullContainerError"},
    {REASON_VOLUME, E_OK, "CannotCreateVolumeError"},
    {REASON_NETWORK, E_CONFLICT, "CannotStartContainerError"},
    {REASON_NETWORK, E_OK, "ContainerNetworkingError"},
    {REASON_CREATE, E_OK, "CannotCreateContainerError"},
    {REASON_START, E_OK, "CannotStartContainerError"},
    {REASON_STOP, E_OK, "CannotStopContainerError"},
    {REASON_RESOURCE, E_OK, "ResourceInitializationError"},
    {REASON_CONFIG, E_OK, "HostConfigError"},
};

static const char *name_of(enum reason_step step, enum error_code code)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].step == step && (names[i].code == code || names[i].code == E_OK))
            return names[i].name;
    return "ContainerRuntimeError";
}

/* A long text is cut at a character's end. */
static void cut(struct str *s, size_t from)
{
    size_t end = from + REASON_MAX;
    if (s->len <= end)
        return;
    while (end > from && ((unsigned char)s->data[end] & 0xc0) == 0x80)
        end--;
    s->len = end;
    s->data[end] = 0;
}

/* People search for the words that Docker and ECS use; the rest is ours. */
static const char *lead(enum reason_step step, enum error_code code)
{
    if (step == REASON_NETWORK && code == E_CONFLICT)
        return "driver failed programming external connectivity: ";
    if (step == REASON_PULL && code == E_FULL)
        return "failed to register layer: no space left on device: ";
    return "";
}

/* A step that took too long: the ECS agent's limits (Docker's create and start). */
static bool write_timeout(enum reason_step step, struct str *ret)
{
    switch (step) {
    case REASON_CREATE:
        reason_timeout("created", REASON_CREATE_LIMIT_MS, ret);
        return true;
    case REASON_START:
        reason_timeout("started", REASON_START_LIMIT_MS, ret);
        return true;
    default:
        return false;
    }
}

void reason_write(enum reason_step step, const struct error *failure, struct str *ret)
{
    size_t from = ret->len;
    if (failure->code == E_TIMEOUT && write_timeout(step, ret))
        return;
    str_addf(ret, "%s: ", name_of(step, failure->code));
    if (step == REASON_PULL && failure->code == E_UNSUPPORTED &&
        strstr(failure->text, "linux/")) {
        struct platform p;
        platform_of_machine(&p);
        str_addf(ret,
                 "image Manifest does not contain descriptor matching platform '%s/%s' (",
                 p.os, p.architecture);
        str_addf(ret, "%s)", failure->text);
    } else {
        str_addf(ret, "%s%s", lead(step, failure->code), failure->text);
    }
    cut(ret, from);
}

void reason_timeout(const char *state, int64_t waited_ms, struct str *ret)
{
    str_addf(ret,
             "DockerTimeoutError: Could not transition to %s; timed out after waiting ",
             state);
    int64_t s = waited_ms / 1000;
    if (s >= 3600)
        str_addf(ret, "%dh", (int)(s / 3600));
    if (s >= 60)
        str_addf(ret, "%dm", (int)(s / 60 % 60));
    str_addf(ret, "%ds", (int)(s % 60));
}
