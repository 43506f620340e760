#include "help.h"

#include <string.h>

#include "str.h"

#define WIDTH 80

/* Words of `text` from column `at` on, lines indented by `indent`; an empty line in the
 * text stays one. */
static void print_wrapped(FILE *out, const char *text, size_t indent, size_t at)
{
    bool first = true;
    while (*text) {
        if (str_starts(text, "\n\n")) {
            fprintf(out, "\n\n%*s", (int)indent, "");
            at = indent;
            first = true;
        }
        text += strspn(text, " \n");
        size_t len = strcspn(text, " \n");
        if (!len)
            break;
        if (!first && at + 1 + len > WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", (int)len, text);
        at += len + !first;
        first = false;
        text += len;
    }
    fputc('\n', out);
}

static void print_entry(FILE *out, const char *label, const char *text, size_t column)
{
    int n = fprintf(out, "  %s", label);
    if (n < 0)
        return;
    if ((size_t)n + 2 > column) {
        fputc('\n', out);
        n = 0;
    }
    fprintf(out, "%*s", (int)column - n, "");
    print_wrapped(out, text, column, column);
}

void help_overview(FILE *out)
{
    fputs("Usage: gantry COMMAND [OPTION]... [ARGUMENT]...\n\n"
          "Amazon ECS for machines that you own.\n\n",
          out);
    for (const struct command *c = commands; c->name; c++)
        print_entry(out, c->name, c->summary, 12);
    fputs("\n'gantry COMMAND --help' says more about one.\n", out);
}

static void option_label(const struct option_row *row, struct str *ret)
{
    if (row->letter)
        str_addf(ret, "-%c, ", row->letter);
    str_addf(ret, "--%s", row->name);
    if (row->argument)
        str_addf(ret, " %s", row->argument);
}

static void option_text(const struct option_row *row, struct str *ret)
{
    str_add(ret, row->help);
    if (row->fallback)
        str_addf(ret, " (default: %s)", row->fallback);
    if (row->variable)
        str_addf(ret, " [%s]", row->variable);
}

static bool shown(const struct option_row *row, const struct command *c)
{
    return (row->commands & c->bit) && !row->hidden;
}

void help_of(const struct command *c, FILE *out)
{
    fprintf(out, "Usage: gantry %s [OPTION]...%s%s\n\n", c->name,
            *c->arguments ? " " : "", c->arguments);
    print_wrapped(out, c->details, 0, 0);
    fputs("\nOptions:\n", out);
    for (const struct option_row *row = option_rows; row->name; row++) {
        if (!shown(row, c))
            continue;
        AUTO_STR label = STR_INIT, text = STR_INIT;
        option_label(row, &label);
        option_text(row, &text);
        print_entry(out, label.data, text.data, 30);
    }
}

/* ---- manual pages ---- */

/* A line that begins with a dot or a quote would be a request; a '-' must stay a minus. */
static void roff_text(FILE *out, const char *text)
{
    bool line_start = true;
    for (; *text; text++) {
        if (str_starts(text, "\n\n")) {
            fputs("\n.PP\n", out);
            text++;
            line_start = true;
            continue;
        }
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        line_start = *text == '\n';
    }
    fputc('\n', out);
}

static void roff_head(FILE *out, const char *page, const char *summary)
{
    fputs(".TH ", out);
    for (const char *p = page; *p; p++)
        fputc(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p, out);
    fprintf(out,
            " 1 \"\" \"gantry " GANTRY_VERSION
            "\" \"gantry manual\"\n.SH NAME\n%s \\- %s\n",
            page, summary);
}

static void roff_entry(FILE *out, const char *label, const char *text)
{
    fputs(".TP\n.B ", out);
    roff_text(out, label);
    roff_text(out, text);
}

void help_roff(const struct command *c, FILE *out)
{
    AUTO_STR page = STR_INIT;
    str_addf(&page, "gantry-%s", c->name);
    roff_head(out, page.data, c->summary);
    fprintf(out, ".SH SYNOPSIS\n.B gantry %s\n[OPTION]...", c->name);
    fprintf(out, "%s", *c->arguments ? " " : "");
    roff_text(out, c->arguments);
    fputs(".SH DESCRIPTION\n", out);
    roff_text(out, c->details);
    fputs(".SH OPTIONS\n", out);
    for (const struct option_row *row = option_rows; row->name; row++) {
        if (!shown(row, c))
            continue;
        AUTO_STR label = STR_INIT, text = STR_INIT;
        option_label(row, &label);
        option_text(row, &text);
        roff_entry(out, label.data, text.data);
    }
}

void help_roff_overview(FILE *out)
{
    roff_head(out, "gantry", "Amazon ECS for machines that you own");
    fputs(".SH SYNOPSIS\n.B gantry\nCOMMAND [OPTION]... [ARGUMENT]...\n.SH COMMANDS\n",
          out);
    for (const struct command *c = commands; c->name; c++)
        roff_entry(out, c->name, c->summary);
}

int help_command(struct options *o, struct error *err)
{
    const struct command *c = o->arg_count ? command_find(o->args[0]) : NULL;
    if (o->arg_count && !c)
        return fail(err, E_INVALID, "there is no command '%s'; see 'gantry help'",
                    o->args[0]);
    if (o->roff && c)
        help_roff(c, stdout);
    else if (o->roff)
        help_roff_overview(stdout);
    else if (c)
        help_of(c, stdout);
    else
        help_overview(stdout);
    return 0;
}
