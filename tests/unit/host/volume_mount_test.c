/* Mount options, told apart. */
#include "unit.h"

#include <string.h>
#include <sys/mount.h>

#include "volume_mount.h"

static void options(void **state)
{
    static const struct {
        const char *text;
        unsigned long flags;
        bool bind;
        const char *data;
    } rows[] = {
        {NULL, 0, false, ""},
        {"", 0, false, ""},
        {"size=1m,uid=1000", 0, false, "size=1m,uid=1000"},
        {"ro,nosuid,nodev,noexec", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, false,
         ""},
        {"ro,rw", 0, false, ""},
        {"bind", 0, true, ""},
        {"rbind,ro", MS_RDONLY, true, ""},
        {"addr=10.0.0.1,nfsvers=4,,noatime,", MS_NOATIME, false,
         "addr=10.0.0.1,nfsvers=4"},
        {"rock,dev=1", 0, false, "rock,dev=1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_STR data = STR_INIT;
        struct error err = ERROR_INIT;
        unsigned long flags = 1234;
        bool bind;
        assert_int_equal(mount_options_split(rows[i].text, &flags, &bind, &data, &err),
                         0);
        assert_int_equal(flags, rows[i].flags);
        assert_int_equal(bind, rows[i].bind);
        assert_string_equal(str_text(&data), rows[i].data);
    }
    AUTO_STR data = STR_INIT;
    AUTO_STR big = STR_INIT;
    struct error err = ERROR_INIT;
    unsigned long flags;
    bool bind;
    for (int i = 0; i < 5000; i++)
        str_addc(&big, 'x');
    assert_int_equal(mount_options_split(big.data, &flags, &bind, &data, &err), -E_LIMIT);
}

static void values(void **state)
{
    AUTO_STR v = STR_INIT;
    assert_true(mount_option_find("ro,addr=host,x=y", "addr", &v));
    assert_string_equal(v.data, "host");
    assert_true(mount_option_find("ro,addr=host,x=y=z", "x", &v));
    assert_string_equal(v.data, "y=z");
    assert_false(mount_option_find("address=1", "addr", &v));
    assert_false(mount_option_find(NULL, "addr", &v));
    assert_true(mount_option_find("addr=", "addr", &v));
    assert_int_equal(v.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(options),
                                       cmocka_unit_test(values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
