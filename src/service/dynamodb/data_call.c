#include "data_call.h"

#include <stdarg.h>

static struct data_call *self(struct item_job *job)
{
    return list_entry(job, struct data_call, job);
}

/* ---- on the store's thread ---- */

int data_refuse(struct data_call *d, const struct wire_fault *fault, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    call_fault(d->call, fault, "%s", arena_vprintf(&d->call->arena, fmt, ap));
    va_end(ap);
    return -E_DENIED;
}

int data_invalid(struct data_call *d, int r, struct error *err)
{
    return r == -E_INVALID ? data_refuse(d, &dynamodb_validation_fault, "%s", err->text)
                           : r;
}

static int run(struct item_job *job, struct item_tx *tx, struct error *err)
{
    return self(job)->run(self(job), tx, err);
}

/* When the disk refused, whatever the call was told by what is now gone counts no more. */
static void done(struct item_job *job, int result, const struct error *err)
{
    struct data_call *d = self(job);
    struct call *c = d->call;
    if (result < 0 && result != -E_DENIED) {
        c->fault = NULL;
        c->fault_details = NULL;
        call_fault(c, &dynamodb_internal_server_error, "%s",
                   result == -E_FULL
                       ? "The disk of gantry's data directory is full. Free "
                         "some space and try again."
                       : err->text);
    }
    for (size_t i = 0; i < d->count; i++)
        item_schema_unref(d->schemas[i]);
    c->finished(c);
}

static void read_begin(struct call *c)
{
    struct data_call *d = c->handed;
    item_store_read(dynamodb_of(c->core)->settings.items, &d->job);
}

static void write_begin(struct call *c)
{
    struct data_call *d = c->handed;
    item_store_write(dynamodb_of(c->core)->settings.items, &d->job);
}

/* ---- on the state thread ---- */

static int hand(struct call *c, struct item_schema *const *schemas, size_t count,
                int (*work)(struct data_call *, struct item_tx *, struct error *err),
                void (*begin)(struct call *))
{
    struct data_call *d = arena_new(&c->arena, struct data_call);
    *d = (struct data_call){.job = {.run = run, .done = done},
                            .call = c,
                            .schemas = schemas,
                            .count = count,
                            .run = work};
    c->handed = d;
    c->hand_over = begin;
    return 0;
}

int data_read_all(struct call *c, struct item_schema *const *schemas, size_t count,
                  int (*work)(struct data_call *, struct item_tx *, struct error *err))
{
    return hand(c, schemas, count, work, read_begin);
}

int data_write_all(struct call *c, struct item_schema *const *schemas, size_t count,
                   int (*work)(struct data_call *, struct item_tx *, struct error *err))
{
    return hand(c, schemas, count, work, write_begin);
}

static struct item_schema *const *one(struct call *c, const char *table)
{
    const struct item_table *t = item_table_require_data(c, table);
    if (!t)
        return NULL;
    struct item_schema **ret = arena_new(&c->arena, struct item_schema *);
    *ret = item_schema_ref(t->schema);
    return ret;
}

int data_read(struct call *c, const char *table,
              int (*work)(struct data_call *, struct item_tx *, struct error *err))
{
    struct item_schema *const *s = one(c, table);
    return s ? data_read_all(c, s, 1, work) : -1;
}

int data_write(struct call *c, const char *table,
               int (*work)(struct data_call *, struct item_tx *, struct error *err))
{
    struct item_schema *const *s = one(c, table);
    return s ? data_write_all(c, s, 1, work) : -1;
}
