/* User data, line by line; see user_data.h. */
#include "user_data.h"

#include <ctype.h>
#include <stdlib.h>

#include <jansson.h>

#include "base64.h"

#define ECS_CONFIG "/etc/ecs/ecs.config"
#define NOTES_MAX  64
#define LINE_SHOWN 120

static void note(struct arena *a, struct user_data *u, const char *what, const char *text)
{
    if (u->notes.n < NOTES_MAX)
        *LIST_PUSH(a, &u->notes) = arena_printf(a, "%s: %.*s", what, LINE_SHOWN, text);
}

/* ---- assignments ---- */

static void set(struct arena *a, struct user_data *u, const char *name, const char *value)
{
    for (size_t n = 0; n < u->settings.n; n++)
        if (streq(u->settings.v[n].key, name)) {
            u->settings.v[n].value = value;
            return;
        }
    struct string_entry *to = LIST_PUSH(a, &u->settings);
    to->key = name;
    to->value = value;
}

/* "ECS_CLUSTER=x", perhaps with quotes around the value. Blank lines and remarks are fine. */
static void assignment(struct arena *a, struct user_data *u, char *line)
{
    while (isspace((unsigned char)*line))
        line++;
    for (size_t n = strlen(line); n && isspace((unsigned char)line[n - 1]); n--)
        line[n - 1] = '\0';
    char *equals = strchr(line, '=');
    if (!*line || *line == '#')
        return;
    if (!equals || strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") !=
                       (size_t)(equals - line)) {
        note(a, u, "not a setting", line);
        return;
    }
    char *value = equals + 1;
    size_t n = strlen(value);
    if (n >= 2 && (*value == '"' || *value == '\'') && value[n - 1] == *value) {
        value[n - 1] = '\0';
        value++;
    }
    if (strchr(value, '$')) {
        note(a, u, "not obeyed, it has a variable of the shell", line);
        return;
    }
    set(a, u, arena_strndup(a, line, (size_t)(equals - line)), arena_strdup(a, value));
}

/* Cuts the next line off. */
static char *next_line(char **rest)
{
    char *line = *rest, *end = line ? strchr(line, '\n') : NULL;
    if (!line || !*line)
        return NULL;
    *rest = end ? end + 1 : NULL;
    if (end)
        *end = '\0';
    size_t n = strlen(line);
    if (n && line[n - 1] == '\r')
        line[n - 1] = '\0';
    return line;
}

/* ---- shell ---- */

/* The words of `echo`: quotes go, and outside of single ones a backslash before another
 * character; with -e, \n is a new line everywhere. */
static char *echo_text(struct arena *a, const char *p, const char *end, bool escapes)
{
    char *out = arena_alloc(a, (size_t)(end - p) + 1), *to = out;
    char quote = '\0';
    for (; p < end; p++) {
        if (*p == '\\' && p + 1 < end && p[1] == 'n' && escapes) {
            *to++ = '\n';
            p++;
        } else if (*p == '\\' && p + 1 < end && quote != '\'') {
            *to++ = *++p;
        } else if (quote ? *p == quote : (*p == '"' || *p == '\'')) {
            quote = quote ? '\0' : *p;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
    return out;
}

/* Where the command's output goes: '>' or '|' outside of quotes. */
static const char *redirection(const char *p)
{
    char quote = '\0';
    for (; *p; p++) {
        if (*p == '\\' && p[1] && quote != '\'')
            p++;
        else if (quote ? *p == quote : (*p == '"' || *p == '\''))
            quote = quote ? '\0' : *p;
        else if (!quote && (*p == '>' || *p == '|'))
            return p;
    }
    return NULL;
}

static void echo(struct arena *a, struct user_data *u, const char *line)
{
    const char *to = redirection(line), *p = line + strlen("echo ");
    bool escapes = false;
    for (; *p == ' ' || str_starts(p, "-e ") || str_starts(p, "-n "); p++)
        if (*p == '-')
            escapes |= *++p == 'e';
    if (!to || to < p || !strstr(to, ECS_CONFIG)) {
        note(a, u, "not run", line);
        return;
    }
    char *text = echo_text(a, p, to, escapes);
    for (char *one; (one = next_line(&text));)
        assignment(a, u, one);
}

/* <<EOF, <<'EOF', <<-"EOF": the word that ends it. */
static const char *here_word(struct arena *a, const char *line)
{
    const char *p = strstr(line, "<<");
    if (!p || p[2] == '<')
        return NULL;
    p += 2;
    while (*p == '-' || *p == ' ' || *p == '\'' || *p == '"' || *p == '\\')
        p++;
    size_t n = strcspn(p, " '\"\t;>|");
    return n ? arena_strndup(a, p, n) : NULL;
}

static void here_document(struct arena *a, struct user_data *u, const char *line,
                          const char *word, char **rest)
{
    bool ours = strstr(line, ECS_CONFIG) != NULL;
    if (!ours)
        note(a, u, "not run", line);
    for (char *one; (one = next_line(rest));) {
        if (streq(one + strspn(one, " \t"), word))
            return;
        if (ours)
            assignment(a, u, one);
    }
}

static void shell(struct arena *a, struct user_data *u, char *text)
{
    for (char *line; (line = next_line(&text));) {
        line += strspn(line, " \t");
        const char *word = here_word(a, line);
        if (!*line || *line == '#')
            continue;
        if (word)
            here_document(a, u, line, word, &text);
        else if (str_starts(line, "sudo echo ") || str_starts(line, "echo "))
            echo(a, u, line + (*line == 's' ? strlen("sudo ") : 0));
        else
            note(a, u, "not run", line);
    }
}

/* ---- cloud-config ---- */

static size_t indent_of(const char *line)
{
    return strspn(line, " ");
}

/* `- path:` and `content: |` in either order; what is no ECS configuration is noted. */
struct yaml_file {
    bool ours;
    struct str content;
};

static void file_done(struct arena *a, struct user_data *u, struct yaml_file *f)
{
    char *text = f->content.data;
    for (char *line; f->ours && (line = next_line(&text));)
        assignment(a, u, line);
    f->ours = false;
    str_clear(&f->content);
}

static const char *yaml_value(const char *line, const char *key)
{
    line += strspn(line, " -");
    size_t n = strlen(key);
    if (strncmp(line, key, n) != 0 || line[n] != ':')
        return NULL;
    return line + n + 1 + strspn(line + n + 1, " '\"");
}

static void yaml_block(char **rest, size_t indent, struct str *ret)
{
    while (*rest && **rest) {
        const char *p = *rest;
        bool blank = p[strspn(p, " \r")] == '\n';
        if (!blank && indent_of(p) <= indent)
            return;
        str_addf(ret, "%s\n", next_line(rest));
    }
}

static void cloud_config(struct arena *a, struct user_data *u, char *text)
{
    struct yaml_file f = {.content = STR_INIT};
    bool files = false;
    for (char *line; (line = next_line(&text));) {
        const char *value;
        if (!*line || line[strspn(line, " ")] == '#')
            continue;
        if (indent_of(line) == 0 && *line != '-') {
            file_done(a, u, &f);
            files = str_starts(line, "write_files:");
            if (!files)
                note(a, u, "not obeyed", line);
            continue;
        }
        if (!files)
            continue;
        if (line[indent_of(line)] == '-')
            file_done(a, u, &f);
        if ((value = yaml_value(line, "path"))) {
            f.ours = str_starts(value, ECS_CONFIG);
            if (!f.ours)
                note(a, u, "file not written", value);
        } else if ((value = yaml_value(line, "content"))) {
            if (*value == '|' || *value == '>')
                yaml_block(&text, strspn(line, " -"), &f.content);
            else
                str_add(&f.content, value);
        }
    }
    file_done(a, u, &f);
    str_free(&f.content);
}

/* ---- which of them ---- */

static void part(struct arena *a, struct user_data *u, char *text)
{
    text += strspn(text, " \t\r\n");
    if (str_starts(text, "#cloud-config"))
        cloud_config(a, u, text);
    else if (str_starts(text, "#!"))
        shell(a, u, text);
    else if (*text)
        note(a, u, "neither a script nor cloud-config", text);
}

/* The parts of a MIME message: each behind a blank line, up to the boundary. */
static void mime(struct arena *a, struct user_data *u, char *text)
{
    const char *b = strstr(text, "boundary=");
    b = b ? b + strlen("boundary=") + strspn(b + strlen("boundary="), "\"") : "";
    size_t n = strcspn(b, "\"\r\n;");
    const char *mark = arena_printf(a, "\n--%.*s", (int)n, b);
    for (char *p = n ? strstr(text, mark) : NULL; p;) {
        char *head = p + strlen(mark), *next = strstr(head, mark);
        if (next)
            *next = '\0';
        char *body = strstr(head, "\n\n"), *crlf = strstr(head, "\r\n\r\n");
        if (crlf && (!body || crlf < body))
            body = crlf + 2;
        if (body)
            part(a, u, body + 2);
        p = next;
    }
}

void user_data_parse(struct arena *a, const char *base64, struct user_data *ret)
{
    uint8_t *raw;
    size_t size;
    *ret = (struct user_data){0};
    if (str_empty(base64))
        return;
    if (!base64_decode(a, base64, strlen(base64), &raw, &size) || memchr(raw, 0, size)) {
        note(a, ret, "user data", "not a text");
        return;
    }
    char *text = arena_strndup(a, (const char *)raw, size);
    if (str_starts(text, "Content-Type: multipart/") || str_starts(text, "MIME-Version:"))
        mime(a, ret, text);
    else
        part(a, ret, text);
}

const char *user_data_setting(const struct user_data *u, const char *name)
{
    for (size_t n = 0; n < u->settings.n; n++)
        if (streq(u->settings.v[n].key, name))
            return u->settings.v[n].value;
    return NULL;
}

/* ---- arguments ---- */

static const struct setting {
    const char *name, *option; /* option NULL: known, and nothing to do */
} obeyed[] = {
    {"ECS_CLUSTER", "cluster"},
    {"ECS_RESERVED_MEMORY", "reserved-memory"},
    {"ECS_IMAGE_PULL_BEHAVIOR", "image-pull"},
    {"ECS_CONTAINER_STOP_TIMEOUT", "stop-timeout"},
    {"ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", "stopped-task-retention"},
    {"ECS_IMAGE_CLEANUP_INTERVAL", "image-cleanup"},
    {"ECS_IMAGE_MINIMUM_CLEANUP_AGE", "image-minimum-age"},
    {"ECS_DYNAMIC_HOST_PORT_RANGE", "port-range"},
    {"ECS_LOGLEVEL", "log-level"},
    /* what gantry's agent does anyway */
    {"ECS_ENABLE_TASK_ENI", NULL},
    {"ECS_ENABLE_CONTAINER_METADATA", NULL},
    {"ECS_ENABLE_SPOT_INSTANCE_DRAINING", NULL},
    {"ECS_AVAILABLE_LOGGING_DRIVERS", NULL},
};

/* Switches: the value that is not the agent's own default is an option. */
static const struct flag {
    const char *name;
    bool value;
    const char *option;
} flags[] = {
    {"ECS_ENABLE_TASK_IAM_ROLE", false, "--no-task-role"},
    {"ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST", false, "--no-task-role-host"},
    {"ECS_AWSVPC_BLOCK_IMDS", true, "--block-imds"},
    {"ECS_DISABLE_IMAGE_CLEANUP", true, "--image-cleanup=off"},
};

/* False: it is no switch. */
static bool take_flag(struct arena *a, struct user_data *u, const char *name,
                      const char *value, struct string_list *ret)
{
    for (size_t n = 0; n < sizeof(flags) / sizeof(flags[0]); n++) {
        if (!streq(flags[n].name, name))
            continue;
        if (!streq(value, "true") && !streq(value, "false"))
            note(a, u, "not obeyed, the value is not understood",
                 arena_printf(a, "%s=%s", name, value));
        else if (streq(value, "true") == flags[n].value)
            *LIST_PUSH(a, ret) = flags[n].option;
        return true;
    }
    return false;
}

static void attributes(struct arena *a, struct user_data *u, const char *text,
                       struct string_list *ret)
{
    json_t *all = json_loads(text, 0, NULL);
    const char *name;
    json_t *value;
    if (!json_is_object(all))
        note(a, u, "not obeyed, it is no JSON object", "ECS_INSTANCE_ATTRIBUTES");
    json_object_foreach (all, name, value) {
        if (json_is_string(value))
            *LIST_PUSH(a, ret) =
                arena_printf(a, "--attribute=%s=%s", name, json_string_value(value));
    }
    json_decref(all);
}

static const struct setting *setting_of(const char *name)
{
    for (size_t n = 0; n < sizeof(obeyed) / sizeof(obeyed[0]); n++)
        if (streq(obeyed[n].name, name))
            return &obeyed[n];
    return NULL;
}

static bool is_number(const char *text)
{
    int64_t n;
    return str_to_i64(text, 0, INT32_MAX, &n);
}

/* "10m", "1h": what both sides write alike; a value that the agent would refuse would keep
 * the instance from coming up at all. */
static bool is_duration(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n > 0 && n < 9 &&
           (streq(text + n, "s") || streq(text + n, "m") || streq(text + n, "h") ||
            streq(text + n, "ms"));
}

static bool is_range(const char *text)
{
    char *end;
    long low = strtol(text, &end, 10);
    long high = *end == '-' ? strtol(end + 1, &end, 10) : 0;
    return !*end && low >= 1024 && low <= high && high <= 65535;
}

static bool value_fits(const char *option, const char *value)
{
    if (streq(option, "cluster"))
        return *value != '\0';
    if (streq(option, "reserved-memory"))
        return is_number(value);
    if (streq(option, "port-range"))
        return is_range(value);
    if (streq(option, "image-pull"))
        return streq(value, "default") || streq(value, "always") ||
               streq(value, "once") || streq(value, "prefer-cached");
    if (streq(option, "log-level"))
        return streq(value, "debug") || streq(value, "info") || streq(value, "warn") ||
               streq(value, "error");
    return is_duration(value);
}

void user_data_arguments(struct arena *a, struct user_data *u, struct string_list *ret)
{
    for (size_t n = 0; n < u->settings.n; n++) {
        const char *name = u->settings.v[n].key, *value = u->settings.v[n].value;
        const struct setting *s = setting_of(name);
        if (streq(name, "ECS_INSTANCE_ATTRIBUTES"))
            attributes(a, u, value, ret);
        else if (take_flag(a, u, name, value, ret))
            continue;
        else if (!s)
            note(a, u, "not obeyed", name);
        else if (s->option && !value_fits(s->option, value))
            note(a, u, "not obeyed, the value is not understood",
                 arena_printf(a, "%s=%s", name, value));
        else if (s->option)
            *LIST_PUSH(a, ret) = arena_printf(a, "--%s=%s", s->option, value);
    }
}
