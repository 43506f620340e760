/* The cluster query language, row by row. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query.h"
#include "str.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void broken(const char *row, const char *why)
{
    print_error("%s: %s\n", row, why);
    assert_true(false);
}

static const char *attribute(const void *ctx, const char *name)
{
    static const char *const pairs[][2] = {{"ecs.instance-type", "t2.small"},
                                           {"ecs.availability-zone", "us-east-1a"},
                                           {"stack", "prod"},
                                           {"rack", "12"},
                                           {"flag", ""},
                                           {"path", "a/b c"}};
    for (size_t k = 0; k < COUNT(pairs); k++)
        if (strcmp(pairs[k][0], name) == 0)
            return pairs[k][1];
    return NULL;
}

static bool any_group(const void *ctx, bool (*visit)(void *arg, const char *group),
                      void *arg)
{
    return visit(arg, "service:web") || visit(arg, "family:job");
}

static const struct query_subject subject = {
    .attribute = attribute,
    .any_group = any_group,
    .agent_connected = true,
    .agent_version = "1.105.1",
    .ec2_instance_id = "i-abcd1234",
    .registered_at_ms = 1440938160000, /* 2015-08-30T12:36:00Z */
    .running_tasks = 5,
};

static void expressions_are_true_or_false(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } rows[] = {
        {"attribute:stack == prod", true},
        {"attribute:stack==prod", true},
        {"attribute:stack equals 'prod'", true},
        {"attribute:stack == Prod", false},
        {"attribute:stack != prod", false},
        {"attribute:stack not_equals test", true},
        {"attribute:none == prod", false},
        {"attribute:none != prod", true}, /* negations hold where it is lacking */
        {"attribute:none !~ .*", true},
        {"attribute:none =~ .*", false},
        {"attribute:none not_in [a]", true},
        {"attribute:none > 1", false},
        {"attribute:none exists", false},
        {"attribute:none !exists", true},
        {"attribute:none not_exists", true},
        {"attribute:flag exists", true},
        {"attribute:flag == ''", true},
        {"attribute:path == 'a/b c'", true},
        {"attribute:ecs.instance-type =~ t2.*", true},
        {"attribute:ecs.instance-type matches 't2\\.(small|medium)'", true},
        {"attribute:ecs.instance-type =~ t2", false}, /* the whole value */
        {"attribute:ecs.instance-type !~ 'm[0-9].*'", true},
        {"attribute:ecs.instance-type =~ '\\w\\d\\.(?:sm)all'", true},
        {"attribute:ecs.instance-type =~ '[\\w.]+'", true},
        {"attribute:ecs.instance-type =~ 'a|t2.small|b'", true},
        {"attribute:ecs.instance-type =~ 'a|t2|b'", false},
        {"attribute:ecs.availability-zone in [us-east-1a, us-east-1b]", true},
        {"attribute:ecs.availability-zone in ['us-east-1b']", false},
        {"attribute:ecs.availability-zone !in [us-east-1b,us-east-1c]", true},
        {"attribute:rack > 9", true}, /* as numbers */
        {"attribute:rack greater_than_equal 12", true},
        {"attribute:rack < 12", false},
        {"attribute:stack > abc", true}, /* as text */
        {"attribute:ecs.instance-type =~ '([a-z]+[0-9]+[.]?)+(a*)(b|)all'", false},
        {"attribute:ecs.instance-type =~ '([a-z]+[0-9]+[.]?)+(a*)(s|)mall'", true},
        {"attribute:ecs.instance-type =~ '(t2[.])?[a-z]{5}'", true},
        {"attribute:rack greater_than 11", true},
        {"attribute:rack >= 13", false},
        {"attribute:rack less_than 13", true},
        {"attribute:rack <= 12", true},
        {"attribute:rack less_than_equal 11", false},
        {"attribute:stack in [test, prod]", true},
        {"attribute:stack not_in [prod]", false},
        {"attribute:stack not_matches pro.", false},
        {"attribute:stack not_exists", false},
        {"agentConnected == true", true},
        {"agentConnected != true", false},
        {"agentConnected == false", false},
        {"agentVersion > 1.99.9", true}, /* not as text */
        {"agentVersion >= 1.105.1", true},
        {"agentVersion <= 1.105.0", false},
        {"agentVersion != 1.105.1", false},
        {"agentVersion in [1.105.1, 2.0.0]", true},
        {"agentVersion not_in [1.105.1]", false},
        {"agentVersion =~ '1\\..*'", true},
        {"agentVersion exists", true},
        {"agentVersion less_than 1.105.2", true},
        {"agentVersion == 1.105.1", true},
        {"agentVersion < 2", true},
        {"ec2InstanceId in ['i-abcd1234', 'i-wxyx7890']", true},
        {"ec2InstanceId == i-other", false},
        {"ec2InstanceId exists", true},
        {"ec2InstanceId !exists", false},
        {"ec2InstanceId != i-abcd1234", false},
        {"ec2InstanceId =~ 'i-.*'", true},
        {"ec2InstanceId !in [i-abcd1234]", false},
        {"registeredAt > 2015-08-30", true},
        {"registeredAt < 2015-08-31", true},
        {"registeredAt >= '2015-08-30T12:36:00Z'", true},
        {"registeredAt > 2015-08-30T12:36:00", false},
        {"registeredAt == '2015-08-30T12:36:00Z'", true},
        {"registeredAt != '2015-08-30T12:36:00Z'", false},
        {"registeredAt <= 2015-08-30", false},
        {"runningTasksCount == 5", true},
        {"runningTasksCount not_equals 5", false},
        {"runningTasksCount > 5", false},
        {"runningTasksCount >= 5", true},
        {"runningTasksCount less_than_equal 4", false},
        {"task:group == service:web", true},
        {"task:group == service:db", false},
        {"task:group != service:web", false},
        {"task:group =~ family:.*", true},
        {"task:group !~ service:.*", false},
        {"task:group not_in [service:db]", true},
        {"task:group exists", true},
        {"task:group !exists", false},
        {"task:group in [x, family:job]", true},
        {"not(task:group == service:db)", true},
        {"! attribute:stack == prod", false},
        {"not not attribute:stack == prod", true},
        {"attribute:stack == prod and runningTasksCount < 5", false},
        {"attribute:stack == prod && runningTasksCount < 6", true},
        {"attribute:stack == test or runningTasksCount == 5", true},
        {"attribute:stack == test || runningTasksCount == 4", false},
        /* "and" binds tighter */
        {"attribute:stack == prod or attribute:x exists and attribute:y exists", true},
        {"(attribute:stack == prod or attribute:x exists) and attribute:y exists", false},
        {"NOT attribute:x exists AND attribute:stack == prod", true},
        {"((attribute:stack == prod))", true},
    };
    for (size_t k = 0; k < COUNT(rows); k++) {
        struct query *q = NULL;
        struct error err = ERROR_INIT;
        if (query_compile(rows[k].text, &q, &err) < 0)
            broken(rows[k].text, err.text);
        if (query_matches(q, &subject) != rows[k].want)
            broken(rows[k].text, "the other answer");
        query_free(q);
    }
}

static void bad_expressions_are_refused(void **state)
{
    static const struct {
        const char *text, *part;
        enum error_code code;
    } rows[] = {
        {"", "unexpected end at position 1", E_INVALID},
        {"   ", "unexpected end", E_INVALID},
        {"stack == prod", "unknown subject at position 1", E_INVALID},
        {"attribute: == prod", "unknown subject", E_INVALID},
        {"attribute:stack prod", "an operator is expected at position 17", E_INVALID},
        {"attribute:stack ==", "a value is expected", E_INVALID},
        {"attribute:stack == prod x", "'and' or 'or' is expected at position 25",
         E_INVALID},
        {"attribute:stack == 'prod", "quote is not closed", E_INVALID},
        {"attribute:stack in a", "'[' is expected", E_INVALID},
        {"attribute:stack in []", "a value is expected", E_INVALID},
        {"attribute:stack in [a", "']' is expected", E_INVALID},
        {"attribute:stack in [a,]", "a value is expected", E_INVALID},
        {"(attribute:stack == a", "')' is expected", E_INVALID},
        {"attribute:stack == a)", "'and' or 'or' is expected", E_INVALID},
        {"attribute:stack == a and", "unexpected end", E_INVALID},
        {"and attribute:stack == a", "unknown subject", E_INVALID},
        {"attribute:stack = a", "unexpected character", E_INVALID},
        {"attribute:stack == \"a\"", "unexpected character", E_INVALID},
        {"runningTasksCount == many", "compared with a number", E_INVALID},
        {"runningTasksCount =~ 5", "compared with a number", E_INVALID},
        {"agentConnected == yes", "true or false", E_INVALID},
        {"agentConnected exists", "true or false", E_INVALID},
        {"agentVersion > new", "compared with a version", E_INVALID},
        {"registeredAt > yesterday", "compared with a date", E_INVALID},
        {"task:group > a", "no order", E_INVALID},
        {"attribute:a =~ '('", "unmatched (", E_INVALID},
        {"attribute:a =~ ')'", "unmatched )", E_INVALID},
        {"attribute:a =~ '[a'", "not closed", E_INVALID},
        {"attribute:a =~ '(a)\\1'", "\\1 is not supported", E_INVALID},
        {"attribute:a =~ '(?=a)'", "(?= is not supported", E_INVALID},
        {"attribute:a =~ 'a*?'", "lazy", E_INVALID},
        {"attribute:a =~ 'a**'", "lazy", E_INVALID},
        {"attribute:a =~ 'a{2'", "bad repetition", E_INVALID},
        {"attribute:a =~ 'a{3,2}'", "bad repetition", E_INVALID},
        {"attribute:a =~ '((a{100}){100}){100}'", "too many repetitions", E_LIMIT},
        {"attribute:a =~ 'a{99999999999}'", "too many repetitions", E_LIMIT},
        {"attribute:a =~ '(a*b?)*'", "can be empty", E_INVALID},
        {"attribute:a =~ '(a|)+'", "can be empty", E_INVALID},
        {"attribute:a =~ '((a{0,2}))?'", "can be empty", E_INVALID},
        {"attribute:a =~ '\\'", "ends in a backslash", E_INVALID},
        {"attribute:a == \xff", "not UTF-8", E_INVALID},
    };
    for (size_t k = 0; k < COUNT(rows); k++) {
        struct query *q = NULL;
        struct error err = ERROR_INIT;
        int r = query_compile(rows[k].text, &q, &err);
        if (r != -(int)rows[k].code || !strstr(err.text, rows[k].part))
            broken(rows[k].text, err.text);
        assert_null(q);
    }
}

static int compile(const char *text)
{
    struct query *q = NULL;
    struct error err;
    int r = query_compile(text, &q, &err);
    query_free(q);
    return r;
}

static void hostile_sizes_are_refused(void **state)
{
    AUTO_STR s = STR_INIT;
    for (int k = 0; k < 40; k++)
        str_add(&s, "(");
    str_add(&s, "attribute:a exists");
    assert_int_equal(compile(str_text(&s)), -E_LIMIT);
    str_clear(&s);
    for (int k = 0; k < 40; k++)
        str_add(&s, "!");
    str_add(&s, "attribute:a exists");
    assert_int_equal(compile(str_text(&s)), -E_LIMIT);
    str_clear(&s);
    str_add(&s, "attribute:a == ");
    while (s.len < QUERY_MAX_LENGTH)
        str_addc(&s, 'x');
    assert_int_equal(compile(str_text(&s)), 0);
    str_addc(&s, 'x');
    assert_int_equal(compile(str_text(&s)), -E_LIMIT);
    str_clear(&s);
    str_add(&s, "attribute:a =~ '");
    for (int k = 0; k < 900; k++)
        str_addc(&s, '(');
    str_add(&s, "'");
    assert_int_equal(compile(str_text(&s)), -E_LIMIT);
    str_clear(&s);
    str_add(&s, "attribute:a =~ '");
    for (int k = 0; k < 300; k++)
        str_add(&s, "(a*)*");
    str_add(&s, "'");
    /* Twenty of them would take the C library a second. */
    assert_int_equal(compile(str_text(&s)), -E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_are_true_or_false),
        cmocka_unit_test(bad_expressions_are_refused),
        cmocka_unit_test(hostile_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
