/* `gantry doctor`: runs the checks and prints what they found. */
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <jansson.h>

#include "command.h"

void finding_set(struct finding *f, enum doctor_verdict verdict, const char *fmt, ...)
{
    va_list ap;
    f->verdict = verdict;
    str_clear(&f->text);
    va_start(ap, fmt);
    str_vaddf(&f->text, fmt, ap);
    va_end(ap);
}

void finding_mend(struct finding *f, const char *fmt, ...)
{
    va_list ap;
    str_clear(&f->mend);
    va_start(ap, fmt);
    str_vaddf(&f->mend, fmt, ap);
    va_end(ap);
}

static void print_finding(const char *name, const struct finding *f)
{
    static const char *const marks[] = {"✓", "!", "✗"};
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};
    bool terminal = isatty(STDOUT_FILENO);
    printf("%s%s%s %-13s %s\n", terminal ? colours[f->verdict] : "", marks[f->verdict],
           terminal ? "\033[0m" : "", name, str_text(&f->text));
    if (f->mend.len)
        printf("  %-13s mend: %s\n", "", f->mend.data);
}

static json_t *finding_json(const char *name, const struct finding *f)
{
    static const char *const verdicts[] = {"ok", "warning", "missing"};
    json_t *row = json_pack("{s:s, s:s, s:s}", "name", name, "verdict",
                            verdicts[f->verdict], "text", str_text(&f->text));
    if (row && f->mend.len)
        json_object_set_new(row, "mend", json_string(f->mend.data));
    return row;
}

static void print_summary(const int counts[3])
{
    if (counts[DOCTOR_MISSING])
        printf("\n%d of what gantry needs is missing here.\n", counts[DOCTOR_MISSING]);
    else
        printf("\nThis machine has what gantry needs.\n");
}

int doctor_command(struct options *o, struct error *err)
{
    int counts[3] = {0};
    json_t *rows = json_array();
    for (const struct doctor_check *c = doctor_checks; c->name; c++) {
        struct finding f = {.verdict = DOCTOR_OK};
        c->look(o, &f);
        counts[f.verdict]++;
        if (o->json)
            json_array_append_new(rows, finding_json(c->name, &f));
        else
            print_finding(c->name, &f);
        fflush(stdout);
        str_free(&f.text);
        str_free(&f.mend);
    }
    if (o->json) {
        json_dumpf(rows, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_summary(counts);
    }
    json_decref(rows);
    return counts[DOCTOR_MISSING] ? 1 : 0;
}
