#include "event_line.h"

#include <string.h>

const char *arn_tail(const char *arn)
{
    const char *slash = arn ? strrchr(arn, '/') : NULL;
    return slash ? slash + 1 : arn ? arn : "";
}

const char *text_of(const json_t *object, const char *member)
{
    return json_string_value(json_object_get(object, member));
}

const char *words_of(const json_t *object, const char *member)
{
    const char *text = text_of(object, member);
    return text ? text : "";
}

static void add_exits(const json_t *task, struct str *out)
{
    const json_t *containers = json_object_get(task, "containers");
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *c = json_array_get(containers, i), *code;
        if ((code = json_object_get(c, "exitCode")))
            str_addf(out, "; %s exited with %lld", words_of(c, "name"),
                     (long long)json_integer_value(code));
        else if (text_of(c, "reason"))
            str_addf(out, "; %s: %s", words_of(c, "name"), text_of(c, "reason"));
    }
}

static void task_line(const json_t *t, struct str *out)
{
    const char *group = text_of(t, "group"), *status = text_of(t, "lastStatus");
    const char *desired = text_of(t, "desiredStatus");
    str_addf(out, "task %s %s", arn_tail(text_of(t, "taskArn")), status ? status : "");
    if (!streq(status, "STOPPED") && streq(desired, "STOPPED"))
        str_add(out, " (to be STOPPED)");
    str_addf(out, " %s", arn_tail(text_of(t, "taskDefinitionArn")));
    if (group && str_starts(group, "service:"))
        str_addf(out, " of service %s", group + strlen("service:"));
    if (text_of(t, "stopCode"))
        str_addf(out, ": %s", text_of(t, "stopCode"));
    if (text_of(t, "stoppedReason"))
        str_addf(out, ": %s", text_of(t, "stoppedReason"));
    if (streq(status, "STOPPED"))
        add_exits(t, out);
}

static void instance_line(const json_t *i, struct str *out)
{
    str_addf(out, "instance %s %s, agent %s, %lld running, %lld pending",
             arn_tail(text_of(i, "containerInstanceArn")), words_of(i, "status"),
             json_is_true(json_object_get(i, "agentConnected")) ? "connected"
                                                                : "not connected",
             (long long)json_integer_value(json_object_get(i, "runningTasksCount")),
             (long long)json_integer_value(json_object_get(i, "pendingTasksCount")));
}

void event_line(const json_t *event, struct str *out)
{
    const char *type = text_of(event, "detail-type");
    const json_t *detail = json_object_get(event, "detail");
    const char *resource =
        json_string_value(json_array_get(json_object_get(event, "resources"), 0));
    str_addf(out, "%s ", words_of(event, "time"));
    if (streq(type, "ECS Task State Change"))
        task_line(detail, out);
    else if (streq(type, "ECS Container Instance State Change"))
        instance_line(detail, out);
    else
        str_addf(out, "service %s %s: %s", arn_tail(resource),
                 words_of(detail, "eventName"), words_of(detail, "reason"));
}
