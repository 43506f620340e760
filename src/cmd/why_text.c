#include "why_text.h"

#include <string.h>

#include "event_line.h"

#define FAILED_TASKS_TOLD 3

static const char *detail_text(const json_t *event, const char *member)
{
    return text_of(json_object_get(event, "detail"), member);
}

static bool is_type(const json_t *event, const char *type)
{
    return streq(text_of(event, "detail-type"), type);
}

static long long number_of(const json_t *object, const char *member)
{
    return (long long)json_integer_value(json_object_get(object, member));
}

/* ---- what a sign means ---- */

/* NULL: the number says nothing by itself. */
static const char *exit_meaning(long long code)
{
    switch (code) {
    case 0:
        return "it ended by itself, without an error";
    case 126:
        return "its command could not be executed";
    case 127:
        return "its command was not found";
    case 137:
        return "it was killed: out of memory, or still there after its stop timeout";
    case 139:
        return "it crashed with a memory access violation";
    case 143:
        return "it ended on SIGTERM";
    default:
        return NULL;
    }
}

struct hint {
    const char *part; /* of a reason */
    const char *advice;
};

static const struct hint hints[] = {
    {"CannotPull",
     "check the image's name and tag, and that the instance reaches and may "
     "read its registry"},
    {"manifest", "check the image's name and tag, and that the registry has it for this "
                 "architecture"},
    {"OutOfMemory", "raise the container's memory, or find out why it needs so much"},
    {"CannotStartContainer",
     "check command, user and mounts of the container definition"},
    {"CannotCreateContainer", "check volumes and mount points of the task definition"},
    {"ResourceInitializationError", "check secrets, environment files and log "
                                    "configuration of the task definition"},
    {"HealthCheck", "run the health check's command with 'gantry exec', and look at the "
                    "container's output"},
    {"health check", "run the health check's command with 'gantry exec', and look at the "
                     "container's output"},
    {"insufficient memory",
     "add an instance, stop something, or lower the task's memory"},
    {"insufficient CPU", "add an instance, stop something, or lower the task's cpu"},
    {"port required", "add an instance, or use a dynamic host port (hostPort 0)"},
    {"No Container Instances", "start an agent: 'gantry up' here, or 'gantry agent' on "
                               "another machine"},
    {"AGENT", "see why the instance's agent is not connected: 'gantry status'"},
    {"ATTRIBUTE", "no instance has what the task definition requires: compare with "
                  "DescribeContainerInstances"},
};

static const char *hint_for(const char *reason)
{
    for (size_t i = 0; reason && i < sizeof(hints) / sizeof(hints[0]); i++)
        if (strstr(reason, hints[i].part))
            return hints[i].advice;
    return NULL;
}

static void add_next(struct str *out, const char *advice)
{
    if (advice)
        str_addf(out, "Next: %s.\n", advice);
}

/* A sentence's end, unless it has one. */
static void end_sentence(struct str *out, const char *text)
{
    str_addf(out, "%s%s\n", text, str_ends(text, ".") ? "" : ".");
}

/* ---- a task ---- */

static void add_container(const json_t *c, struct str *out)
{
    const json_t *code = json_object_get(c, "exitCode");
    const char *name = words_of(c, "name"), *reason = text_of(c, "reason");
    if (code) {
        const char *meaning = exit_meaning((long long)json_integer_value(code));
        str_addf(out, "Container '%s' ended with exit code %lld", name,
                 (long long)json_integer_value(code));
        str_addf(out, meaning ? " (%s).\n" : ".\n", meaning);
    }
    if (reason) {
        str_addf(out, "Container '%s': ", name);
        end_sentence(out, reason);
    }
}

/* The first advice that a reason of the task gives. */
static const char *task_advice(const json_t *t)
{
    const json_t *containers = json_object_get(t, "containers");
    const char *advice = NULL;
    for (size_t i = 0; !advice && i < json_array_size(containers); i++)
        advice = hint_for(text_of(json_array_get(containers, i), "reason"));
    return advice ? advice : hint_for(text_of(t, "stoppedReason"));
}

static void add_stop_code(const json_t *t, struct str *out)
{
    static const struct {
        const char *code, *text;
    } codes[] = {
        {"EssentialContainerExited",
         "An essential container ended, and the task with it"},
        {"TaskFailedToStart", "It could not be started"},
        {"UserInitiated", "Somebody stopped it (StopTask)"},
        {"ServiceSchedulerInitiated", "Its service stopped it"},
        {"SpotInterruption", "Its capacity was taken back"},
        {"TerminationNotice", "Its instance goes away"},
    };
    const char *code = text_of(t, "stopCode"), *reason = text_of(t, "stoppedReason");
    const char *text = "It was stopped";
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (streq(code, codes[i].code))
            text = codes[i].text;
    str_addf(out, reason ? "%s: " : "%s.\n", text);
    if (reason)
        end_sentence(out, reason);
}

static void why_stopped(const json_t *t, struct str *out)
{
    const json_t *containers = json_object_get(t, "containers");
    const char *code = text_of(t, "stopCode"), *advice = task_advice(t);
    add_stop_code(t, out);
    for (size_t i = 0; i < json_array_size(containers); i++)
        add_container(json_array_get(containers, i), out);
    if (!advice && streq(code, "EssentialContainerExited"))
        advice = "look at what it wrote: 'gantry logs', or where its log driver sends it";
    if (!advice && streq(code, "TaskFailedToStart"))
        advice = "correct what the reason names and start it again";
    add_next(out, advice);
}

static void why_waiting(const json_t *t, struct str *out)
{
    const char *status = text_of(t, "lastStatus"), *cpu = text_of(t, "cpu");
    if (streq(status, "PROVISIONING")) {
        str_addf(
            out,
            "No instance has room for it: it needs %s CPU units and %s MiB of memory "
            "and waits for capacity.\n",
            cpu ? cpu : "some", text_of(t, "memory") ? text_of(t, "memory") : "some");
        add_next(out, "add an instance to its capacity provider, or stop something");
        return;
    }
    str_addf(out,
             "It was placed on instance %s, which has not reported it RUNNING yet.\n",
             arn_tail(text_of(t, "containerInstanceArn")));
    if (json_object_get(t, "pullStartedAt") && !json_object_get(t, "pullStoppedAt"))
        str_add(out, "Its images are being pulled.\n");
    add_next(out, "see that the instance's agent is connected and what it is doing: "
                  "'gantry status' there");
}

static void why_running(const json_t *t, struct str *out)
{
    if (streq(text_of(t, "desiredStatus"), "STOPPED")) {
        str_add(out,
                "It was told to stop; its containers have until their stop timeout.\n");
        add_stop_code(t, out);
    } else if (streq(text_of(t, "healthStatus"), "UNHEALTHY")) {
        str_add(out, "An essential container fails its health check.\n");
        add_next(out, hint_for("HealthCheck"));
    } else {
        str_add(out, "Nothing is wrong with it.\n");
    }
}

static void add_history(const json_t *events, struct str *out)
{
    const char *last = NULL;
    str_add(out, "History:\n");
    for (size_t i = json_array_size(events); i-- > 0;) {
        const json_t *e = json_array_get(events, i);
        const char *status = detail_text(e, "lastStatus");
        if (!is_type(e, "ECS Task State Change") || !status || streq(status, last))
            continue;
        str_addf(out, "  %s %s\n", words_of(e, "time"), status);
        last = status;
    }
}

static const json_t *newest_task(const json_t *events)
{
    for (size_t i = 0; i < json_array_size(events); i++)
        if (is_type(json_array_get(events, i), "ECS Task State Change"))
            return json_object_get(json_array_get(events, i), "detail");
    return NULL;
}

int why_task(const json_t *task, const json_t *events, struct str *out, struct error *err)
{
    const json_t *t = task ? task : newest_task(events);
    if (!t)
        return fail(err, E_NOTFOUND,
                    "there is no such task, and the history knows none; 'gantry events "
                    "--type task' lists those it knows");
    const char *group = text_of(t, "group"), *status = words_of(t, "lastStatus");
    str_addf(out, "Task %s (%s", arn_tail(text_of(t, "taskArn")),
             arn_tail(text_of(t, "taskDefinitionArn")));
    if (group && str_starts(group, "service:"))
        str_addf(out, ", service %s", group + strlen("service:"));
    str_addf(out, ") is %s.\n", status);
    if (!task)
        str_add(out, "ECS has forgotten it; this is from the history.\n");
    if (streq(status, "STOPPED"))
        why_stopped(t, out);
    else if (streq(status, "PROVISIONING") || streq(status, "PENDING") ||
             streq(status, "ACTIVATING"))
        why_waiting(t, out);
    else
        why_running(t, out);
    if (json_array_size(events))
        add_history(events, out);
    return 0;
}

/* ---- a service ---- */

static const json_t *newest_named(const json_t *events, const char *name)
{
    for (size_t i = 0; i < json_array_size(events); i++)
        if (streq(detail_text(json_array_get(events, i), "eventName"), name))
            return json_array_get(events, i);
    return NULL;
}

/* Is it later than the last time that the service was steady? */
static bool still_true(const json_t *events, const json_t *event)
{
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i);
        if (e == event)
            return true;
        if (streq(detail_text(e, "eventName"), "SERVICE_STEADY_STATE"))
            return false;
    }
    return false;
}

static void add_deployment(const json_t *d, struct str *out)
{
    const char *state = text_of(d, "rolloutState");
    const char *reason = text_of(d, "rolloutStateReason");
    if (!state || streq(state, "COMPLETED"))
        return;
    str_addf(out, "Deployment %s (%s) %s: %lld of %lld tasks run, %lld are pending",
             words_of(d, "id"), arn_tail(text_of(d, "taskDefinition")),
             streq(state, "FAILED") ? "failed" : "is in progress",
             number_of(d, "runningCount"), number_of(d, "desiredCount"),
             number_of(d, "pendingCount"));
    if (number_of(d, "failedTasks"))
        str_addf(out, ", %lld failed in a row", number_of(d, "failedTasks"));
    str_add(out, ".\n");
    if (streq(state, "FAILED") && reason)
        end_sentence(out, reason);
}

static bool ended_badly(const json_t *event)
{
    const char *code = detail_text(event, "stopCode");
    return is_type(event, "ECS Task State Change") &&
           streq(detail_text(event, "lastStatus"), "STOPPED") &&
           !streq(code, "ServiceSchedulerInitiated") && !streq(code, "UserInitiated");
}

/* The last tasks that ended without being told to; advice for the newest of them. */
static const char *add_failed_tasks(const json_t *events, struct str *out)
{
    const char *advice = NULL;
    int told = 0;
    for (size_t i = 0; told < FAILED_TASKS_TOLD && i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i), *t = json_object_get(e, "detail");
        const json_t *containers = json_object_get(t, "containers");
        if (!ended_badly(e) || !still_true(events, e))
            continue;
        str_addf(out, "Task %s ended at %s. ", arn_tail(text_of(t, "taskArn")),
                 words_of(e, "time"));
        add_stop_code(t, out);
        for (size_t c = 0; c < json_array_size(containers); c++)
            add_container(json_array_get(containers, c), out);
        if (!told++)
            advice = task_advice(t);
    }
    return told && !advice ? "say 'gantry why' of the newest of these tasks, and look at "
                             "what its containers wrote"
                           : advice;
}

static const char *add_placement(const json_t *events, struct str *out)
{
    const json_t *e = newest_named(events, "SERVICE_TASK_PLACEMENT_FAILURE");
    const char *reason = e ? detail_text(e, "reason") : NULL;
    if (!reason || !still_true(events, e))
        return NULL;
    str_addf(out, "At %s a task could not be placed: ", words_of(e, "time"));
    end_sentence(out, reason);
    const char *advice = hint_for(reason);
    return advice ? advice
                  : "compare what the task definition needs with what the "
                    "instances have";
}

static const char *add_backoff(const json_t *events, struct str *out)
{
    const json_t *e = newest_named(events, "SERVICE_TASK_START_IMPAIRED");
    if (!e || !still_true(events, e))
        return NULL;
    str_add(out, "Its tasks fail again and again, so it waits longer and longer between "
                 "starts, up to 15 minutes.\n");
    return "correct the cause and update the service: that starts tasks at once";
}

static bool is_steady(const json_t *s)
{
    const json_t *d = json_object_get(s, "deployments");
    const char *state = text_of(json_array_get(d, 0), "rolloutState");
    return number_of(s, "runningCount") == number_of(s, "desiredCount") &&
           number_of(s, "pendingCount") == 0 && json_array_size(d) <= 1 &&
           (!state || streq(state, "COMPLETED"));
}

static void add_service(const json_t *s, struct str *out)
{
    const json_t *deployments = json_object_get(s, "deployments");
    str_addf(
        out, "Service %s is %s; it wants %lld tasks, %lld run and %lld are pending.\n",
        words_of(s, "serviceName"), words_of(s, "status"), number_of(s, "desiredCount"),
        number_of(s, "runningCount"), number_of(s, "pendingCount"));
    for (size_t i = 0; i < json_array_size(deployments); i++)
        add_deployment(json_array_get(deployments, i), out);
}

int why_service(const json_t *service, const json_t *events, struct str *out,
                struct error *err)
{
    if (!service && !json_array_size(events))
        return fail(
            err, E_NOTFOUND,
            "there is no such service, and the history knows none; --cluster says "
            "which cluster is meant");
    if (service)
        add_service(service, out);
    else
        str_add(out, "ECS has forgotten it; this is from the history.\n");
    if (service && streq(text_of(service, "status"), "ACTIVE") && is_steady(service)) {
        const json_t *e = newest_named(events, "SERVICE_STEADY_STATE");
        str_add(out, "It is steady");
        if (e)
            str_addf(out, ", told last at %s", words_of(e, "time"));
        str_add(out, ".\n");
        return 0;
    }
    const char *placement = add_placement(events, out);
    const char *failed = add_failed_tasks(events, out);
    const char *backoff = add_backoff(events, out);
    add_next(out, placement ? placement : failed);
    add_next(out, backoff);
    if (service && !placement && !failed && !backoff)
        str_add(out, "Nothing went wrong so far: it is on its way.\n");
    return 0;
}
