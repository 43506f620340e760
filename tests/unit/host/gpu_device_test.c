/* GPUs, from what the driver's folder says. */
#include "unit.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "fd.h"
#include "gpu_device.h"

static void put(const char *root, const char *bus, const char *text)
{
    AUTO_STR path = STR_INIT;
    struct error err = ERROR_INIT;
    str_addf(&path, "%s/%s", root, bus);
    assert_int_equal(dir_make_all(path.data, 0755, &err), 0);
    str_add(&path, "/information");
    assert_int_equal(file_replace(path.data, text, strlen(text), 0644, 0, &err), 0);
}

static void listed(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    char root[] = "/tmp/gantry-gpu-XXXXXX";
    struct gpu *v;
    struct spec_device *d;
    size_t n;
    assert_non_null(mkdtemp(root));
    assert_int_equal(gpu_list(&a, "/does/not/exist", &v), 0);
    assert_int_equal(gpu_list(&a, root, &v), 0);
    put(root, "0000:02:00.0",
        "Model: \t\t Some card\nGPU UUID: \t GPU-b\nBus Type: PCIe\nDevice Minor: \t "
        "1\n");
    put(root, "0000:01:00.0", "GPU UUID: \t GPU-a\nDevice Minor: \t 0\n");
    put(root, "0000:03:00.0", "GPU UUID: \t GPU-c\n");
    put(root, "0000:04:00.0", "GPU UUID: GPU-d\nDevice Minor: x\n");
    assert_int_equal(gpu_list(&a, root, &v), 2);
    assert_string_equal(v[0].id, "GPU-a");
    assert_string_equal(v[1].id, "GPU-b");
    const char *ids[] = {"GPU-b"};
    assert_int_equal(gpu_devices(&a, root, ids, 1, &d, &n, &err), 0);
    assert_true(n >= 1);
    assert_string_equal(d[0].host_path, "/dev/nvidia1");
    assert_int_equal(gpu_devices(&a, root, ids, 0, &d, &n, &err), 0);
    assert_int_equal(n, 0);
    ids[0] = "GPU-x";
    assert_int_equal(gpu_devices(&a, root, ids, 1, &d, &n, &err), -E_NOTFOUND);
    assert_int_equal(dir_remove_all(root, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(listed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
