/* Certificates under a virtual clock: who uses them, what users are told, what expires. */
#include "unit.h"

#include "acm/made.h"
#include "base64.h"
#include "ec2/world.h"

#define BALANCER                                                                         \
    "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/x/1"
#define NOW_S INT64_C(1700000000)
#define DAY_S (24 * 60 * 60)

static char *import_arn(struct world *w, const struct made *m, const char *arn)
{
    AUTO_STR pem = STR_INIT;
    AUTO_STR key = STR_INIT;
    base64_add(&pem, m->pem.data, m->pem.len);
    base64_add(&key, m->key.data, m->key.len);
    struct acm_import_certificate_response *out =
        arn ? CALL(w, "acm.ImportCertificate",
                   "{'CertificateArn':'%s','Certificate':'%s','PrivateKey':'%s'}", arn,
                   pem.data, key.data)
            : CALL(w, "acm.ImportCertificate", "{'Certificate':'%s','PrivateKey':'%s'}",
                   pem.data, key.data);
    return out ? xstrdup(out->certificate_arn) : NULL;
}

static const struct acm_certificate_detail *look(struct world *w, const char *arn)
{
    struct acm_describe_certificate_response *out =
        CALL(w, "acm.DescribeCertificate", "{'CertificateArn':'%s'}", arn);
    assert_non_null(out);
    return out->certificate;
}

static char heard[256];

static void note_change(void *ctx, struct core *core, const char *arn,
                        const struct string_list *users)
{
    snprintf(heard, sizeof(heard), "%zu %s", users->n, users->v[0]);
}

/* ---- tests ---- */

static void a_certificate_in_use_stays(void **state)
{
    struct world w;
    struct made m;
    world_open(&w, false);
    made_new(&m, "a.test", NULL, NULL, NULL, NOW_S - DAY_S, NOW_S + DAY_S);
    char *arn = import_arn(&w, &m, NULL);
    assert_int_equal(look(&w, arn)->in_use_by.n, 0);
    acm_certificate_use(w.core, arn, BALANCER, true);
    acm_certificate_use(w.core, arn, BALANCER, true); /* twice is once */
    assert_int_equal(look(&w, arn)->in_use_by.n, 1);
    assert_string_equal(look(&w, arn)->in_use_by.v[0], BALANCER);
    REFUSED(&w, "ResourceInUseException", "acm.DeleteCertificate",
            "{'CertificateArn':'%s'}", arn);
    acm_certificate_use(w.core, arn, BALANCER, false);
    acm_certificate_use(w.core, "arn:aws:acm:us-east-1:000000000000:certificate/none",
                        BALANCER, true); /* nobody there */
    assert_non_null(CALL(&w, "acm.DeleteCertificate", "{'CertificateArn':'%s'}", arn));
    free(arn);
    made_free(&m);
    world_close(&w);
}

static void users_hear_of_a_new_import(void **state)
{
    struct acm_watch watch = {.changed = note_change};
    struct world w;
    struct made one, two;
    world_open(&w, false);
    acm_watch_add(w.core, &watch);
    made_new(&one, "a.test", NULL, NULL, NULL, NOW_S - DAY_S, NOW_S + DAY_S);
    made_new(&two, "b.test", "DNS:c.test", NULL, NULL, NOW_S - DAY_S, NOW_S + DAY_S);
    char *arn = import_arn(&w, &one, NULL);
    free(import_arn(&w, &two, arn));
    assert_string_equal(heard, ""); /* nobody uses it */
    acm_certificate_use(w.core, arn, BALANCER, true);
    free(import_arn(&w, &two, arn));
    assert_string_equal(heard, "1 " BALANCER);
    AUTO_STR pem = STR_INIT;
    AUTO_STR want = STR_INIT;
    struct error err;
    assert_int_equal(acm_certificate_pem(w.core, arn, &pem, &err), 0);
    str_addf(&want, "%s%s", two.pem.data, two.key.data);
    assert_string_equal(pem.data, want.data);
    struct acm_certificate found;
    AUTO_ARENA a = ARENA_INIT;
    assert_int_equal(acm_certificate_find(w.core, arn, &a, &found, &err), 0);
    assert_string_equal(found.domain_name, "b.test");
    assert_string_equal(found.names[1], "c.test");
    assert_null(found.names[2]);
    world_restart(
        &w); /* the watch and the uses are for those who have them to tell again */
    assert_int_equal(look(&w, arn)->in_use_by.n, 0);
    assert_string_equal(look(&w, arn)->domain_name, "b.test");
    str_clear(&pem);
    assert_int_equal(acm_certificate_pem(w.core, arn, &pem, &err), 0);
    assert_string_equal(pem.data, want.data);
    free(arn);
    made_free(&one);
    made_free(&two);
    world_close(&w);
}

static void certificates_expire(void **state)
{
    struct world w;
    struct made now, early;
    world_open(&w, false);
    made_new(&now, "a.test", NULL, NULL, NULL, NOW_S - DAY_S, NOW_S + DAY_S);
    made_new(&early, "b.test", NULL, NULL, NULL, NOW_S + DAY_S, NOW_S + 3 * DAY_S);
    assert_null(import_arn(&w, &early, NULL));
    assert_string_equal(w.call.fault->code, "ValidationException");
    char *arn = import_arn(&w, &now, NULL);
    assert_int_equal(look(&w, arn)->status, ACM_CERTIFICATE_STATUS_ISSUED);
    w.now_ms += 2 * DAY_S * INT64_C(1000);
    assert_int_equal(look(&w, arn)->status, ACM_CERTIFICATE_STATUS_EXPIRED);
    struct acm_list_certificates_response *l =
        CALL(&w, "acm.ListCertificates",
             "{'CertificateStatuses':['EXPIRED'],"
             "'Includes':{'keyTypes':['EC_prime256v1']}}");
    assert_int_equal(l->certificate_summary_list.n, 1);
    assert_null(import_arn(&w, &now, NULL));
    char *other = import_arn(&w, &early, NULL);
    assert_non_null(other);
    free(arn);
    free(other);
    made_free(&now);
    made_free(&early);
    world_close(&w);
}

/* JSON has its own way with line ends. */
static const char *escaped(struct str *to, const char *text)
{
    for (; *text; text++)
        *text == '\n' ? str_add(to, "\\n") : str_addc(to, *text);
    return to->data;
}

static void server_certificates_are_found_by_the_same_questions(void **state)
{
    static const char arn[] = "arn:aws:iam::000000000000:server-certificate/p/name";
    struct world w;
    struct made m;
    struct acm_certificate found;
    struct error err;
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR pem = STR_INIT;
    AUTO_STR key = STR_INIT;
    AUTO_STR all = STR_INIT;
    world_open(&w, false);
    made_new(&m, "iam.test", NULL, NULL, NULL, NOW_S - DAY_S, NOW_S + DAY_S);
    assert_non_null(CALL(&w, "iam.UploadServerCertificate",
                         "{'ServerCertificateName':'name','Path':'/p/',"
                         "'CertificateBody':'%s','PrivateKey':'%s'}",
                         escaped(&pem, m.pem.data), escaped(&key, m.key.data)));
    assert_int_equal(acm_certificate_find(w.core, arn, &a, &found, &err), 0);
    assert_string_equal(found.domain_name, "iam.test");
    assert_int_equal(acm_certificate_pem(w.core, arn, &all, &err), 0);
    assert_true(str_ends(all.data, m.key.data));
    acm_certificate_use(w.core, arn, BALANCER, true);
    REFUSED(&w, "DeleteConflict", "iam.DeleteServerCertificate",
            "{'ServerCertificateName':'name'}");
    REFUSED(&w, "InvalidInput", "iam.UpdateServerCertificate",
            "{'ServerCertificateName':'name','NewPath':'/q/'}");
    acm_certificate_use(w.core, arn, BALANCER, false);
    assert_non_null(CALL(&w, "iam.UpdateServerCertificate",
                         "{'ServerCertificateName':'name','NewPath':'/q/'}"));
    assert_int_equal(acm_certificate_find(w.core, arn, &a, &found, &err), -E_NOTFOUND);
    assert_int_equal(acm_certificate_pem(w.core, NULL, &all, &err), -E_NOTFOUND);
    made_free(&m);
    world_close(&w);
}

/* Appends every value in the store. */
static int note_value(void *ctx, const char *key, const void *value, size_t len,
                      struct error *err)
{
    str_addn(ctx, value, len);
    return 0;
}

static int note_key(void *ctx, const char *key, const void *value, size_t len,
                    struct error *err)
{
    str_add(ctx, key);
    return 0;
}

/* The store without the sealed text: `with` stands in its place, as older ones had it. */
static void put_plain(struct world *w, const char *prefix, const char *with)
{
    struct error err;
    AUTO_STR value = STR_INIT;
    AUTO_STR plain = STR_INIT;
    AUTO_ARENA a = ARENA_INIT;
    struct store_batch b;
    assert_int_equal(store_load_all(w->store, prefix, note_value, &value, &err), 0);
    char *from = strstr(value.data, "sealed:1:");
    assert_non_null(from);
    str_addn(&plain, value.data, (size_t)(from - value.data));
    escaped(&plain, with);
    str_add(&plain, strchr(from, '"'));
    store_batch_init(&b, &a);
    str_clear(&value);
    assert_int_equal(store_load_all(w->store, prefix, note_key, &value, &err), 0);
    store_batch_put(&b, value.data, plain.data, plain.len);
    assert_int_equal(store_commit(w->store, &b, &err), 0);
}

static bool store_tells(struct world *w, const char *text)
{
    struct error err;
    AUTO_STR values = STR_INIT;
    assert_int_equal(store_load_all(w->store, "", note_value, &values, &err), 0);
    return strstr(values.data, text) != NULL;
}

static void private_keys_are_sealed_in_the_store(void **state)
{
    struct world w;
    struct made m;
    struct error err;
    AUTO_STR cert = STR_INIT;
    AUTO_STR key = STR_INIT;
    world_open(&w, false);
    made_new(&m, "a.test", NULL, NULL, NULL, NOW_S - DAY_S, NOW_S + DAY_S);
    char *arn = import_arn(&w, &m, NULL);
    assert_non_null(CALL(&w, "iam.UploadServerCertificate",
                         "{'ServerCertificateName':'n','CertificateBody':'%s',"
                         "'PrivateKey':'%s'}",
                         escaped(&cert, m.pem.data), escaped(&key, m.key.data)));
    assert_non_null(CALL(&w, "iam.UpdateServerCertificate",
                         "{'ServerCertificateName':'n',"
                         "'NewServerCertificateName':'o'}"));
    assert_false(store_tells(&w, "PRIVATE KEY"));
    put_plain(&w, "/acm/certificate/", m.key.data);
    put_plain(&w, "/iam/server-certificate/", m.key.data);
    assert_true(store_tells(&w, "PRIVATE KEY")); /* so it was once */
    for (int start = 0; start < 2; start++) {
        AUTO_STR pem = STR_INIT;
        world_restart(&w);
        assert_false(store_tells(&w, "PRIVATE KEY"));
        assert_int_equal(acm_certificate_pem(w.core, arn, &pem, &err), 0);
        assert_true(str_ends(pem.data, m.key.data));
        str_clear(&pem);
        assert_int_equal(
            acm_certificate_pem(w.core, "arn:aws:iam::000000000000:server-certificate/o",
                                &pem, &err),
            0);
        assert_true(str_ends(pem.data, m.key.data));
    }
    free(arn);
    made_free(&m);
    world_close(&w);
}

static void a_certificate_belongs_to_an_account_and_a_region(void **state)
{
    static const char acm[] = "arn:aws:acm:eu-west-1:000000000000:certificate/x",
                      iam[] = "arn:aws:iam::000000000000:server-certificate/x";
    AUTO_ARENA a = ARENA_INIT;
    assert_true(acm_certificate_belongs(&a, acm, "000000000000", "eu-west-1"));
    assert_false(acm_certificate_belongs(&a, acm, "000000000000", "us-east-1"));
    assert_false(acm_certificate_belongs(&a, acm, "111111111111", "eu-west-1"));
    assert_true(acm_certificate_belongs(&a, iam, "000000000000", "us-east-1"));
    assert_false(acm_certificate_belongs(&a, iam, "111111111111", "us-east-1"));
    assert_false(acm_certificate_belongs(&a, "x", "000000000000", "us-east-1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_in_use_stays),
        cmocka_unit_test(users_hear_of_a_new_import),
        cmocka_unit_test(certificates_expire),
        cmocka_unit_test(server_certificates_are_found_by_the_same_questions),
        cmocka_unit_test(private_keys_are_sealed_in_the_store),
        cmocka_unit_test(a_certificate_belongs_to_an_account_and_a_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
