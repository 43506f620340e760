/* What PEM texts say: names, times, usages; chains and keys that belong together or not. */
#include "unit.h"

#include "acm/made.h"
#include "x509.h"

#define FROM  INT64_C(1700000000)
#define UNTIL INT64_C(1800000000)

static int read_it(const struct made *m, struct arena *a, struct x509_info *ret)
{
    struct error err;
    return x509_certificate_read(m->pem.data, m->pem.len, a, ret, &err);
}

static void a_certificate_tells_what_is_in_it(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct made m;
    struct x509_info i;
    made_new(&m, "example.test", "DNS:www.example.test,DNS:example.test,IP:10.0.0.1",
             "digitalSignature,keyCertSign,decipherOnly", NULL, FROM, UNTIL);
    assert_int_equal(read_it(&m, &a, &i), 0);
    assert_string_equal(i.domain_name, "example.test");
    assert_int_equal(i.names.n, 2); /* an address is no name */
    assert_string_equal(i.names.v[0], "example.test");
    assert_string_equal(i.names.v[1], "www.example.test");
    assert_string_equal(i.subject, "C=US, CN=example.test");
    assert_string_equal(i.issuer, "example.test");
    assert_string_equal(i.serial, "12:34");
    assert_string_equal(i.key_algorithm, "EC_prime256v1");
    assert_string_equal(i.signature_algorithm, "SHA384WITHECDSA");
    assert_int_equal(i.not_before_ms, FROM * 1000);
    assert_int_equal(i.not_after_ms, UNTIL * 1000);
    assert_int_equal(i.key_usage, X509_DIGITAL_SIGNATURE | X509_CERTIFICATE_SIGNING |
                                      X509_DECIPHER_ONLY);
    made_free(&m);
}

static void names_without_a_common_name_and_beyond_ascii(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct made m;
    struct x509_info i;
    made_new(&m, NULL, "DNS:only.test", NULL, NULL, FROM, UNTIL);
    assert_int_equal(read_it(&m, &a, &i), 0);
    assert_string_equal(i.domain_name, "only.test");
    assert_string_equal(i.issuer, "C=US");
    assert_int_equal(i.key_usage, 0);
    made_free(&m);
    made_new(&m, "b\xc3\xa4r", NULL, NULL, NULL, FROM, UNTIL);
    assert_int_equal(read_it(&m, &a, &i), 0);
    assert_int_equal(i.names.n, 0);
    assert_true(utf8_valid(i.subject, strlen(i.subject)));
    made_free(&m);
    made_new(&m, NULL, NULL, NULL, NULL, FROM, UNTIL);
    assert_int_equal(read_it(&m, &a, &i), 0);
    assert_null(i.domain_name);
    made_free(&m);
}

static int chain(const struct made *leaf, const struct made *const *others)
{
    AUTO_STR text = STR_INIT;
    struct error err;
    for (; *others; others++)
        str_add(&text, (*others)->pem.data);
    return x509_chain_check(leaf->pem.data, leaf->pem.len, str_text(&text), text.len,
                            &err);
}

static void chains_go_from_the_certificate_up(void **state)
{
    struct made root, middle, leaf, other;
    made_new(&root, "root", NULL, NULL, NULL, FROM, UNTIL);
    made_new(&middle, "middle", NULL, NULL, &root, FROM, UNTIL);
    made_new(&leaf, "leaf", NULL, NULL, &middle, FROM, UNTIL);
    made_new(&other, "middle", NULL, NULL, &root, FROM,
             UNTIL); /* same name, another key */
    assert_int_equal(chain(&leaf, (const struct made *[]){&middle, NULL}), 0);
    assert_int_equal(chain(&leaf, (const struct made *[]){&middle, &root, NULL}), 0);
    assert_int_equal(chain(&root, (const struct made *[]){&root, NULL}), 0);
    assert_int_equal(chain(&leaf, (const struct made *[]){&root, &middle, NULL}),
                     -E_CONFLICT);
    assert_int_equal(chain(&leaf, (const struct made *[]){&other, NULL}), -E_CONFLICT);
    assert_int_equal(chain(&leaf, (const struct made *[]){NULL}), -E_INVALID);
    const struct made *many[X509_CHAIN_MAX + 2] = {0};
    for (int i = 0; i < X509_CHAIN_MAX; i++)
        many[i] = &root;
    assert_int_equal(chain(&root, many), 0);
    many[X509_CHAIN_MAX] = &root;
    assert_int_equal(chain(&root, many), -E_LIMIT);
    made_free(&root);
    made_free(&middle);
    made_free(&leaf);
    made_free(&other);
}

static void keys_belong_to_their_certificates(void **state)
{
    struct made a, b;
    struct error err;
    made_new(&a, "a", NULL, NULL, NULL, FROM, UNTIL);
    made_new(&b, "b", NULL, NULL, NULL, FROM, UNTIL);
    assert_int_equal(x509_key_check(a.pem.data, a.pem.len, a.key.data, a.key.len, &err),
                     0);
    assert_int_equal(x509_key_check(a.pem.data, a.pem.len, b.key.data, b.key.len, &err),
                     -E_CONFLICT);
    assert_int_equal(x509_key_check(a.pem.data, a.pem.len, a.pem.data, a.pem.len, &err),
                     -E_INVALID);
    assert_int_equal(x509_key_check(a.pem.data, a.pem.len, "", 0, &err), -E_INVALID);
    BIO *out = BIO_new(BIO_s_mem());
    AUTO_STR locked = STR_INIT;
    PEM_write_bio_PrivateKey(out, a.k, EVP_aes_128_cbc(), NULL, 0, NULL,
                             (void *)"secret");
    made_text(out, &locked);
    assert_int_equal(x509_key_check(a.pem.data, a.pem.len, locked.data, locked.len, &err),
                     -E_DENIED);
    EVP_PKEY_free(a.k);
    a.k = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1536);
    out = BIO_new(BIO_s_mem());
    str_clear(&a.key);
    PEM_write_bio_PrivateKey(out, a.k, NULL, NULL, 0, NULL, NULL);
    made_text(out, &a.key);
    assert_int_equal(x509_key_check(a.pem.data, a.pem.len, a.key.data, a.key.len, &err),
                     -E_UNSUPPORTED);
    made_free(&a);
    made_free(&b);
}

static void one_certificate_and_nothing_else(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR two = STR_INIT;
    struct made m;
    struct x509_info i;
    struct error err;
    made_new(&m, "a", NULL, NULL, NULL, FROM, UNTIL);
    str_addf(&two, "%s%s", m.pem.data, m.pem.data);
    assert_int_equal(x509_certificate_read(two.data, two.len, &a, &i, &err), -E_LIMIT);
    for (size_t n = 0; n < m.pem.len - 2; n++)
        assert_int_equal(x509_certificate_read(m.pem.data, n, &a, &i, &err), -E_INVALID);
    assert_int_equal(x509_certificate_read(m.key.data, m.key.len, &a, &i, &err),
                     -E_INVALID);
    made_free(&m);
}

static void blocks_stand_one_behind_the_other(void **state)
{
    AUTO_STR out = STR_INIT;
    AUTO_STR messy = STR_INIT;
    AUTO_STR clean = STR_INIT;
    struct made m;
    made_new(&m, "a", NULL, NULL, NULL, FROM, UNTIL);
    str_addf(&messy, "words before\n%swords between\n%s", m.pem.data, m.key.data);
    messy.data[messy.len - 1] = ' '; /* no newline at the end */
    str_addf(&clean, "%s%s", m.pem.data, m.key.data);
    x509_blocks_add(&out, messy.data);
    assert_string_equal(out.data, clean.data);
    made_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_tells_what_is_in_it),
        cmocka_unit_test(names_without_a_common_name_and_beyond_ascii),
        cmocka_unit_test(chains_go_from_the_certificate_up),
        cmocka_unit_test(keys_belong_to_their_certificates),
        cmocka_unit_test(one_certificate_and_nothing_else),
        cmocka_unit_test(blocks_stand_one_behind_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
