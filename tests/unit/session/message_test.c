/* The bytes of Session Manager's messages, by hand and back again. */
#include <string.h>

#include "message.h"
#include "unit.h"

static struct message sample(void)
{
    struct message m = {.type = "input_stream_data",
                        .created_ms = 0x0102030405060708,
                        .sequence = 9,
                        .flags = MESSAGE_SYN,
                        .payload_type = PAYLOAD_SIZE,
                        .payload = "abc",
                        .payload_len = 3};
    for (int i = 0; i < MESSAGE_ID_SIZE; i++)
        m.id[i] = (uint8_t)i;
    return m;
}

static void bytes_lie_where_the_protocol_says(void **state)
{
    AUTO_STR out = STR_INIT;
    struct message m = sample();
    message_encode(&m, &out);
    const unsigned char *p = (const unsigned char *)out.data;
    static const unsigned char digest[] = {0xba, 0x78, 0x16, 0xbf}; /* SHA-256 of abc */
    static const unsigned char id[] = {8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3};
    assert_int_equal(out.len, 123);
    assert_memory_equal(p, "\0\0\0\x74input_stream_data               \0\0\0\1", 40);
    assert_memory_equal(p + 40, "\1\2\3\4\5\6\7\x08\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\1",
                        24);
    assert_memory_equal(p + 64, id, sizeof(id));
    assert_memory_equal(p + 80, digest, sizeof(digest));
    assert_memory_equal(p + 112, "\0\0\0\3\0\0\0\3abc", 11);
}

static void what_is_written_is_read(void **state)
{
    AUTO_STR out = STR_INIT;
    struct message m = sample(), back;
    struct error err = ERROR_INIT;
    char id[37];
    message_encode(&m, &out);
    assert_int_equal(message_decode(out.data, out.len, &back, &err), 0);
    assert_string_equal(back.type, m.type);
    assert_true(back.created_ms == m.created_ms && back.sequence == m.sequence);
    assert_true(back.flags == m.flags && back.payload_type == m.payload_type);
    assert_memory_equal(back.id, m.id, sizeof(m.id));
    assert_int_equal(back.payload_len, 3);
    assert_memory_equal(back.payload, "abc", 3);
    message_id_text(back.id, id);
    assert_string_equal(id, "00010203-0405-0607-0809-0a0b0c0d0e0f");
}

static void what_is_wrong_is_refused(void **state)
{
    /* offset and a value that must not stand there */
    static const struct {
        size_t at;
        char value;
    } wrong[] = {{3, 0x75}, {4, 'I'}, {4, ' '}, {39, 2},   {80, 0},
                 {119, 2},  {119, 4}, {116, 1}, {120, 'b'}};
    AUTO_STR good = STR_INIT;
    struct message m = sample(), back;
    struct error err = ERROR_INIT;
    message_encode(&m, &good);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        AUTO_STR bad = STR_INIT;
        str_addn(&bad, good.data, good.len);
        bad.data[wrong[i].at] = wrong[i].value;
        if (wrong[i].value == ' ') /* no type at all */
            memset(bad.data + 4, ' ', 32);
        assert_int_equal(message_decode(bad.data, bad.len, &back, &err), -E_PROTOCOL);
    }
    for (size_t n = 0; n < good.len; n++)
        assert_int_equal(message_decode(good.data, n, &back, &err), -E_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_lie_where_the_protocol_says),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
