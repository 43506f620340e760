/* Keys as bytes: their order, where ranges begin and end, what a page goes on from. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "item_key.h"
#include "str.h"

static const struct key_schema texts = {{"h", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S},
                                        {"r", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_B}};
static struct item_index by_x = {.name = "by-x",
                                 .global = true,
                                 .filled = true,
                                 .key = {{"x", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S},
                                         {"y", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_N}},
                                 .projection = DYNAMODB_PROJECTION_TYPE_INCLUDE};
static struct item_schema schema = {.name = "t",
                                    .key = {{"h", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S},
                                            {"r", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_B}},
                                    .indexes = &by_x,
                                    .index_count = 1,
                                    .expiry_attribute = "ends"};

static attribute_value s(const char *text)
{
    return (attribute_value){.s = text};
}

static attribute_value n(const char *text)
{
    return (attribute_value){.n = text};
}

static attribute_value b(const char *data, size_t size)
{
    return (attribute_value){.b = {(const uint8_t *)data, size}};
}

static attribute_map item(struct arena *a, attribute_value h, attribute_value r)
{
    attribute_map ret = {.set = true};
    item_set(a, &ret, "h", &h);
    item_set(a, &ret, "r", &r);
    return ret;
}

static int compare(const struct str *x, const struct str *y)
{
    size_t len = x->len < y->len ? x->len : y->len;
    int r = memcmp(x->data, y->data, len);
    return r ? r : (x->len > y->len) - (x->len < y->len);
}

/* Bytes that are escaped, that end a value, and that are longer versions of each other. */
static const struct {
    const char *data;
    size_t size;
} ranges[] = {{"\0", 1},    {"\0\0", 2},  {"\0\1", 2},    {"\0\377", 2},
              {"\1", 1},    {"a", 1},     {"a\0", 2},     {"a\0\0", 3},
              {"a\0\1", 3}, {"a\0\2", 3}, {"a\0\377", 3}, {"a\1", 2},
              {"a\377", 2}, {"b", 1},     {"\377", 1},    {"\377\377", 2}};
#define RANGES (sizeof(ranges) / sizeof(ranges[0]))

static struct str key_of(struct arena *a, size_t i)
{
    struct str ret = STR_INIT;
    attribute_map m = item(a, s("p"), b(ranges[i].data, ranges[i].size));
    item_key_add(&texts, &m, &ret);
    return ret;
}

static void range_keys_keep_their_order(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    for (size_t i = 0; i < RANGES; i++)
        for (size_t k = 0; k < RANGES; k++) {
            AUTO_STR x = key_of(&a, i);
            AUTO_STR y = key_of(&a, k);
            int r = compare(&x, &y);
            assert_int_equal((r > 0) - (r < 0), (i > k) - (i < k));
        }
}

static bool within(const struct key_bounds *bounds, const struct str *key)
{
    return compare(key, &bounds->from) >= 0 && compare(key, &bounds->to) < 0;
}

/* Every range of every comparison holds exactly the keys of which key_range_holds() says so. */
static void ranges_hold_what_their_condition_says(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    attribute_value p = s("p");
    for (int comparison = KEY_ANY; comparison <= KEY_BEGINS_WITH; comparison++)
        for (size_t low = 0; low < RANGES; low++)
            for (size_t high = low; high < RANGES; high++) {
                attribute_value v[2] = {b(ranges[low].data, ranges[low].size),
                                        b(ranges[high].data, ranges[high].size)};
                const struct key_range r = {
                    &p, (enum key_comparison)comparison, {&v[0], &v[1]}};
                AUTO_BOUNDS bounds = {0};
                key_bounds_query(&r, &bounds);
                for (size_t i = 0; i < RANGES; i++) {
                    AUTO_STR key = key_of(&a, i);
                    attribute_value mine = b(ranges[i].data, ranges[i].size);
                    assert_int_equal(within(&bounds, &key), key_range_holds(&r, &mine));
                }
            }
}

static void partitions_are_apart(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    attribute_value p = s("p");
    const struct key_range r = {.hash = &p, .comparison = KEY_ANY};
    AUTO_BOUNDS bounds = {0};
    key_bounds_query(&r, &bounds);
    for (int i = 0; i < 1000; i++) {
        AUTO_STR key = STR_INIT;
        attribute_map m = item(&a, s(arena_printf(&a, "p%d", i)), b("\0", 1));
        item_key_add(&texts, &m, &key);
        assert_false(within(&bounds, &key));
    }
}

static void segments_share_out_all_keys(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    static const uint32_t totals[] = {1, 2, 3, 7, 1000000};
    for (size_t t = 0; t < sizeof(totals) / sizeof(totals[0]); t++)
        for (int i = 0; i < 50; i++) {
            AUTO_STR key = STR_INIT;
            attribute_map m = item(&a, s(arena_printf(&a, "key %d", i)), b("r", 1));
            item_key_add(&texts, &m, &key);
            uint32_t first = (uint32_t)(unsigned char)key.data[0] << 24 |
                             (uint32_t)(unsigned char)key.data[1] << 16 |
                             (uint32_t)(unsigned char)key.data[2] << 8 |
                             (unsigned char)key.data[3];
            uint32_t near = (uint32_t)((uint64_t)first * totals[t] >> 31);
            unsigned held = 0;
            for (uint32_t k = near ? near - 1 : 0; k <= near + 1 && k < totals[t]; k++) {
                AUTO_BOUNDS bounds = {0};
                key_bounds_scan(k, totals[t], &bounds);
                held += within(&bounds, &key);
            }
            assert_int_equal(held, 1);
        }
}

static void a_page_goes_on_behind_its_last_key(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    attribute_value p = s("p");
    const struct key_range r = {.hash = &p, .comparison = KEY_ANY};
    for (int backward = 0; backward < 2; backward++)
        for (size_t last = 0; last < RANGES; last++) {
            AUTO_BOUNDS bounds = {0};
            AUTO_STR at = key_of(&a, last);
            key_bounds_query(&r, &bounds);
            assert_true(key_bounds_after(&bounds, &at, backward));
            for (size_t i = 0; i < RANGES; i++) {
                AUTO_STR key = key_of(&a, i);
                assert_int_equal(within(&bounds, &key), backward ? i < last : i > last);
            }
            assert_false(
                key_bounds_after(&bounds, &at, backward)); /* now it is outside */
        }
}

/* ---- indexes ---- */

static void an_index_is_sparse(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR key = STR_INIT;
    attribute_map m = item(&a, s("p"), b("r", 1));
    attribute_value x = s("x"), y = n("1"), wrong = s("1");
    assert_false(index_key_add(&schema, &by_x, &m, &key));
    item_set(&a, &m, "x", &x);
    assert_false(index_key_add(&schema, &by_x, &m, &key));
    item_set(&a, &m, "y", &wrong);
    assert_false(index_key_add(&schema, &by_x, &m, &key));
    assert_int_equal(key.len, 0);
    item_set(&a, &m, "y", &y);
    assert_true(index_key_add(&schema, &by_x, &m, &key));
}

static void a_row_of_an_index_tells_its_item(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    attribute_value x = s("x"), y = n("-3.5");
    for (size_t i = 0; i < RANGES; i++) {
        AUTO_STR own = key_of(&a, i);
        AUTO_STR row = STR_INIT;
        attribute_map m = item(&a, s("p"), b(ranges[i].data, ranges[i].size));
        item_set(&a, &m, "x", &x);
        item_set(&a, &m, "y", &y);
        assert_true(index_key_add(&schema, &by_x, &m, &row));
        struct item_bytes told =
            index_key_item((struct item_bytes){(const uint8_t *)row.data, row.len});
        assert_int_equal(told.size, own.len);
        assert_memory_equal(told.data, own.data, own.len);
    }
}

static void expiry_is_in_the_order_of_time(void **state)
{
    static const char *const times[] = {
        "1", "99", "1700000000", "1700000000.9", "1700000001", "99999999999"};
    AUTO_ARENA a = ARENA_INIT;
    struct str before = STR_INIT;
    for (size_t i = 0; i < 6; i++) {
        struct str key = STR_INIT;
        attribute_map m = item(&a, s("p"), b("r", 1));
        attribute_value ends = n(times[i]);
        item_set(&a, &m, "ends", &ends);
        assert_true(expiry_key_add(&schema, &m, &key));
        assert_true(i == 0 || compare(&before, &key) <= 0);
        str_free(&before);
        before = key;
    }
    str_free(&before);
    static const char *const none[] = {"0", "-5", "0.5", "1234567890123456789012345"};
    for (size_t i = 0; i < 4; i++) {
        AUTO_STR key = STR_INIT;
        attribute_map m = item(&a, s("p"), b("r", 1));
        attribute_value ends = n(none[i]);
        item_set(&a, &m, "ends", &ends);
        assert_false(expiry_key_add(&schema, &m, &key));
    }
}

/* ---- checks ---- */

static void a_key_to_go_on_from_is_whole(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    attribute_value x = s("x"), y = n("1");
    attribute_map m = item(&a, s("p"), b("r", 1));
    assert_int_equal(item_key_check_start(&a, &schema, NULL, &m, &err), 0);
    assert_int_equal(item_key_check_start(&a, &schema, &by_x, &m, &err), -E_INVALID);
    item_set(&a, &m, "x", &x);
    item_set(&a, &m, "y", &y);
    assert_int_equal(item_key_check_start(&a, &schema, &by_x, &m, &err), 0);
    assert_int_equal(item_key_check_start(&a, &schema, NULL, &m, &err), -E_INVALID);
}

static void what_an_index_projects(void **state)
{
    static const char *names[] = {"extra"};
    by_x.attributes = (struct string_list){.v = names, .n = 1, .set = true};
    assert_true(item_index_has(&schema, &by_x, "h"));
    assert_true(item_index_has(&schema, &by_x, "y"));
    assert_true(item_index_has(&schema, &by_x, "extra"));
    assert_false(item_index_has(&schema, &by_x, "other"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(range_keys_keep_their_order),
        cmocka_unit_test(ranges_hold_what_their_condition_says),
        cmocka_unit_test(partitions_are_apart),
        cmocka_unit_test(segments_share_out_all_keys),
        cmocka_unit_test(a_page_goes_on_behind_its_last_key),
        cmocka_unit_test(an_index_is_sparse),
        cmocka_unit_test(a_row_of_an_index_tells_its_item),
        cmocka_unit_test(expiry_is_in_the_order_of_time),
        cmocka_unit_test(a_key_to_go_on_from_is_whole),
        cmocka_unit_test(what_an_index_projects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
