/* certificate_fuzz.c: PEM texts and SSH keys from outside: certificate, chain and key are the
 * same bytes here. What is read must be text that can be stored. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "ssh_key.h"
#include "x509.h"

static void check_text(const char *s)
{
    assert(!s || utf8_valid(s, strlen(s)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct arena a = ARENA_INIT;
    struct error err;
    struct x509_info info;
    struct ssh_key key;
    if (x509_certificate_read(text, size, &a, &info, &err) == 0) {
        check_text(info.subject);
        check_text(info.issuer);
        check_text(info.domain_name);
        for (size_t i = 0; i < info.names.n; i++)
            check_text(info.names.v[i]);
        assert(info.serial && info.names.n <= 100);
    }
    x509_chain_check(text, size, text, size, &err);
    x509_key_check(text, size, text, size, &err);
    char *copy = arena_strndup(&a, text, size);
    struct str out = STR_INIT;
    x509_blocks_add(&out, copy);
    str_free(&out);
    if (ssh_key_read(&a, text, size, "c", &key, &err) == 0) {
        struct ssh_key again;
        check_text(key.fingerprint);
        assert(ssh_key_read(&a, key.public_text, strlen(key.public_text), "c", &again,
                            &err) == 0);
        assert(streq(again.public_text, key.public_text));
        assert(streq(again.fingerprint, key.fingerprint));
    }
    arena_free(&a);
    return 0;
}
