/* Conditions, row by row: what they say of an item, and in which words others are refused. */
#include "items.h"

#include "condition.h"

#define REQUEST                                                                          \
    "{'Item': {"                                                                         \
    "  's': {'S': 'hello'}, 'blank': {'S': ''}, 'n': {'N': '10'}, 'neg': {'N': '-1.5'}," \
    "  'b': {'B': 'AAEC'}, 'ss': {'SS': ['x', 'y']}, 'ns': {'NS': ['1', '2.50']},"       \
    "  'bs': {'BS': ['AA==', 'AQ==']}, 'yes': {'BOOL': true}, 'nul': {'NULL': true},"    \
    "  'm': {'M': {'x': {'N': '1'}, 'y': {'L': [{'S': 'a'}, {'M': {'z': {'S': "          \
    "'deep'}}}]}}},"                                                                     \
    "  'l': {'L': [{'S': 'a'}, {'N': '2'}, {'SS': ['p', 'q']}]}, 'same': {'S': "         \
    "'hello'},"                                                                          \
    "  'wide': {'S': '\xc3\xa9\xf0\x9d\x84\x9e'}, 'a.b': {'S': 'dotted'}, 'size': "      \
    "{'N': '3'}},"                                                                       \
    " 'ExpressionAttributeNames': {'#s': 's', '#dot': 'a.b', '#size': 'size', '#no': "   \
    "'no',"                                                                              \
    "  '#m': 'm', '#y': 'y'},"                                                           \
    " 'ExpressionAttributeValues': {':hello': {'S': 'hello'}, ':he': {'S': 'he'},"       \
    "  ':llo': {'S': 'llo'}, ':e': {'S': ''}, ':x': {'S': 'x'}, ':world': {'S': "        \
    "'world'},"                                                                          \
    "  ':n1': {'N': '1'}, ':n2': {'N': '2.0'}, ':n3': {'N': '3'}, ':n5': {'N': '5'},"    \
    "  ':n10': {'N': '10.00'}, ':n11': {'N': '1.1e1'}, ':neg': {'N': '-1.50'},"          \
    "  ':b': {'B': 'AAEC'}, ':b0': {'B': 'AA=='}, ':b9': {'B': 'CQ=='},"                 \
    "  ':ss': {'SS': ['y', 'x']}, ':ns': {'NS': ['2.5', '1.0']},"                        \
    "  ':bs': {'BS': ['AQ==', 'AA==']}, ':yes': {'BOOL': true}, ':no': {'BOOL': false}," \
    "  ':null': {'NULL': true}, ':pq': {'SS': ['q', 'p']}, ':a': {'S': 'a'},"            \
    "  ':l': {'L': [{'S': 'a'}, {'N': '2'}, {'SS': ['q', 'p']}]},"                       \
    "  ':m': {'M': {'y': {'L': [{'S': 'a'}, {'M': {'z': {'S': 'deep'}}}]},"              \
    "  'x': {'N': '1.0'}}}, ':S': {'S': 'S'}, ':N': {'S': 'N'}, ':L': {'S': 'L'},"       \
    "  ':NULL': {'S': 'NULL'}, ':BOOL': {'S': 'BOOL'}, ':odd': {'S': 'X'}}}"

struct fixture {
    struct arena arena;
    struct dynamodb_put_item_input *in;
    struct expression_scope scope;
};

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){.arena = ARENA_INIT};
    f->in = items_read(&f->arena, REQUEST);
    struct error err = ERROR_INIT;
    assert_int_equal(item_validate(&f->arena, &f->in->item, &err), 0);
    f->scope = scope_of(&f->arena, f->in);
}

static void expressions_hold_or_not(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } rows[] = {
        /* equal, by value and whatever the order of sets and maps */
        {"s = :hello", true},
        {"s = :world", false},
        {"s <> :world", true},
        {"s <> :hello", false},
        {":hello = s", true},
        {"s = same", true},
        {"n = :n10", true},
        {"neg = :neg", true},
        {"b = :b", true},
        {"b = :b0", false},
        {"ss = :ss", true},
        {"ns = :ns", true},
        {"bs = :bs", true},
        {"ss = :pq", false},
        {"m = :m", true},
        {"l = :l", true},
        {"yes = :yes", true},
        {"yes = :no", false},
        {"nul = :null", true},
        {"blank = :e", true},
        /* two types: never equal, never in order */
        {"s = :n10", false},
        {"s <> :n10", true},
        {"s < :n10", false},
        {"s >= :n10", false},
        {"NOT s < :n10", true},
        /* what is not there */
        {"gone = :hello", false},
        {"gone <> :hello", true},
        {"gone < :hello", false},
        {"gone = nothing", false},
        {"gone <> nothing", true},
        {"gone BETWEEN :e AND :x", false},
        {"gone IN (:hello)", false},
        /* order */
        {"n < :n11", true},
        {"n < :n10", false},
        {"n <= :n10", true},
        {"n > :n2", true}, /* as numbers, not as texts */
        {"n >= :n11", false},
        {"neg < :n1", true},
        {"s > :he", true},
        {"s < :x", true},
        {"b < :b9", true},
        {"b > :b0", true}, /* the longer comes later */
        {"blank < :he", true},
        /* BETWEEN */
        {"n BETWEEN :n2 AND :n11", true},
        {"n BETWEEN :n10 AND :n10", true},
        {"n between :n1 and :n2", false},
        {":n5 BETWEEN neg AND n", true},
        {"s BETWEEN :n1 AND :n2", false},
        {"n BETWEEN :n1 AND :n2 OR n BETWEEN :n5 AND :n11", true},
        {"NOT n BETWEEN :n1 AND :n2 AND s = :hello", true},
        /* IN */
        {"s IN (:world, :hello)", true},
        {"s IN (:world)", false},
        {"n In (:n1, :n10)", true},
        {":hello IN (ss, s)", true},
        {"ss IN (:ss)", true},
        {"s IN (:n1, :n2)", false},
        /* functions */
        {"attribute_exists(s)", true},
        {"attribute_exists(gone)", false},
        {"attribute_exists(nul)", true},
        {"attribute_not_exists(gone)", true},
        {"attribute_not_exists(m.x)", false},
        {"attribute_not_exists(m.gone)", true},
        {"attribute_not_exists(s.x)", true},
        {"attribute_exists(l[2])", true},
        {"attribute_exists(l[3])", false},
        {"attribute_type(s, :S)", true},
        {"attribute_type(n, :N)", true},
        {"attribute_type(n, :S)", false},
        {"attribute_type(m.y, :L)", true},
        {"attribute_type(nul, :NULL)", true},
        {"attribute_type(yes, :BOOL)", true},
        {"attribute_type(gone, :S)", false},
        {"begins_with(s, :he)", true},
        {"begins_with(s, :llo)", false},
        {"begins_with(s, :e)", true},
        {"begins_with(b, :b0)", true},
        {"begins_with(b, :b9)", false},
        {"begins_with(n, :he)", false},
        {"begins_with(gone, :he)", false},
        {"begins_with(:hello, blank)", true},
        {"contains(s, :llo)", true},
        {"contains(s, :world)", false},
        {"contains(s, :e)", true},
        {"contains(b, :b0)", true},
        {"contains(b, :b9)", false},
        {"contains(ss, :x)", true},
        {"contains(ss, :hello)", false},
        {"contains(ns, :n1)", true},
        {"contains(ns, :n5)", false},
        {"contains(bs, :b0)", true},
        {"contains(bs, :b)", false},
        {"contains(ss, :n1)", false},
        {"contains(l, :a)", true},
        {"contains(l, :n2)", true},
        {"contains(l, :pq)", true},
        {"contains(l, :hello)", false},
        {"contains(n, :n1)", false},
        {"contains(gone, :x)", false},
        {"contains(:hello, blank)", true},
        /* size() */
        {"size(s) = :n5", true},
        {"size(blank) < :n1", true},
        {"size(b) = :n3", true},
        {"size(ss) = :n2", true},
        {"size(ns) = :n2", true},
        {"size(bs) = :n2", true},
        {"size(m) = :n2", true},
        {"size(l) BETWEEN :n2 AND :n3", true},
        {":n5 = size(s)", true},
        {"size(s) IN (:n1, :n5)", true},
        {"size(s) > size(ss)", true},
        {"size(gone) = :n1", false},
        {"size(wide) = :n3", true}, /* in UTF-16 */
        {"size(n) = :n1", false},
        {"size(#size) = :n1", false},
        {"#size = :n3", true},
        /* paths and placeholders */
        {"m.x = :n1", true},
        {"m.y[0] = :a", true},
        {"m.y[1].z <> :a", true},
        {"#m.#y[0] = l[0]", true},
        {"#m.#y[1].z = l[0]", false},
        {"m . y [ 0 ] = :a", true},
        {"l[1] = :n2", true},
        {"l[9] = :n2", false},
        {"l.x = :n2", false},
        {"m[0] = :n2", false},
        {"#dot <> :x", true},
        {"a.b = :x", false},
        {"#s = :hello", true},
        /* AND before OR, NOT before AND */
        {"s = :hello OR s = :world AND n = :n1", true},
        {"(s = :hello OR s = :world) AND n = :n1", false},
        {"NOT s = :world AND n = :n10", true},
        {"NOT (s = :world AND n = :n10)", true},
        {"NOT s = :hello OR n = :n10", true},
        {"NOT (s = :hello OR n = :n10)", false},
        {"NOT NOT s = :hello", true},
        {"not s = :hello or not n = :n1", true},
        {"s = :hello AND n = :n10 AND m.x = :n1", true},
        {"s = :world OR n = :n1 OR m.x = :n1", true},
        {"s=:hello AND(n=:n10)", true},
        {"\t s\n=\r:hello ", true},
        {"(s) = (:hello)", true},
        {"(size(s)) = :n5", true},
        {"((s) = :hello)", true},
        {"(s = :hello) AND ((n = :n1) OR (n = :n10))", true},
        {"(attribute_exists(s))", true},
        {"(s) IN ((:hello), :x)", true},
        {"(n) BETWEEN (:n1) AND (:n11)", true},
    };
    struct fixture f;
    open_fixture(&f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct condition *c = NULL;
        struct error err = ERROR_INIT;
        if (condition_parse(&f.scope, "FilterExpression", rows[i].text, &c, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.text);
        if (condition_holds(c, &f.in->item) != rows[i].want)
            fail_msg("%s: is not %d", rows[i].text, rows[i].want);
    }
    arena_free(&f.arena);
}

static void without_an_item_nothing_is_there(void **state)
{
    struct fixture f;
    const struct condition *c = NULL;
    struct error err = ERROR_INIT;
    open_fixture(&f);
    assert_int_equal(condition_parse(&f.scope, "ConditionExpression",
                                     "attribute_not_exists(s) AND NOT s = :hello", &c,
                                     &err),
                     0);
    assert_true(condition_holds(c, NULL));
    assert_false(condition_holds(c, &f.in->item));
    arena_free(&f.arena);
}

static void refused(struct fixture *f, const char *text, const char *why)
{
    const struct condition *c = NULL;
    struct error err = ERROR_INIT;
    AUTO_STR want = STR_INIT;
    str_addf(&want, "Invalid ConditionExpression: %s", why);
    if (condition_parse(&f->scope, "ConditionExpression", text, &c, &err) == 0)
        fail_msg("%s: is taken", text);
    if (!streq(err.text, want.data))
        print_error("%s:\n", text);
    assert_string_equal(err.text, want.data);
    assert_null(c);
}

static void mistakes_are_told_in_the_service_s_words(void **state)
{
    static const char operand[] =
        "Incorrect operand type for operator or function; operator or function: ";
    static const char *const rows[][3] = {
        {"", "The expression can not be empty;", ""},
        {" ", "Syntax error; token: \"<EOF>\", near: \"\"", ""},
        {"s", "Syntax error; token: \"<EOF>\", near: \"s\"", ""},
        {"s =", "Syntax error; token: \"<EOF>\", near: \"=\"", ""},
        {"s = :hello AND", "Syntax error; token: \"<EOF>\", near: \"AND\"", ""},
        {"user-id = :x", "Syntax error; token: \"-\", near: \"user-id\"", ""},
        {"s == :x", "Syntax error; token: \"=\", near: \"== :x\"", ""},
        {"s = :hello n", "Syntax error; token: \"n\", near: \":hello n\"", ""},
        {"s = :x && n = :n1", "Syntax error; token: \"&\", near: \":x &&\"", ""},
        {"s = 5", "Syntax error; token: \"5\", near: \"= 5\"", ""},
        {"_s = :x", "Syntax error; token: \"_\", near: \"_s\"", ""},
        {"s = 'x'", "Syntax error; token: \"'\", near: \"= 'x\"", ""},
        {"s = \xc3\xa9x", "Syntax error; token: \"\xc3\xa9\", near: \"= \xc3\xa9x\"", ""},
        {"s = # OR n = :n1", "Syntax error; token: \"#\", near: \"= # OR\"", ""},
        {"(s = :hello", "Syntax error; token: \"<EOF>\", near: \":hello\"", ""},
        {"s = :hello)", "Syntax error; token: \")\", near: \":hello)\"", ""},
        {"m. = :x", "Syntax error; token: \"=\", near: \". = :x\"", ""},
        {"m.5 = :x", "Syntax error; token: \"5\", near: \".5 =\"", ""},
        {"l[] = :x", "Syntax error; token: \"]\", near: \"[] =\"", ""},
        {"l[x] = :x", "Syntax error; token: \"x\", near: \"[x]\"", ""},
        {"l[-1] = :x", "Syntax error; token: \"-\", near: \"[-1\"", ""},
        {"l[1 = :x", "Syntax error; token: \"=\", near: \"1 = :x\"", ""},
        {"and = :x", "Syntax error; token: \"and\", near: \"and =\"", ""},
        {"remove = :x", "Syntax error; token: \"remove\", near: \"remove =\"", ""},
        {"n BETWEEN :n1 :n2", "Syntax error; token: \":n2\", near: \":n1 :n2\"", ""},
        {"n IN :n1", "Syntax error; token: \":n1\", near: \"IN :n1\"", ""},
        {"n IN ()", "Syntax error; token: \")\", near: \"()\"", ""},
        {"s = :x OR OR n = :n1", "Syntax error; token: \"OR\", near: \"OR OR n\"", ""},
        {"size() = :n1", "Syntax error; token: \")\", near: \"() =\"", ""},
        {"((s = :hello))", "The expression has redundant parentheses;", ""},
        {"((s)) = :hello", "The expression has redundant parentheses;", ""},
        {"(((s = :hello AND n = :n1)))", "The expression has redundant parentheses;", ""},
        {"((attribute_exists(s)))", "The expression has redundant parentheses;", ""},
        {"s = :x AND n IN (((:n1)))", "The expression has redundant parentheses;", ""},
        {"foo(s)", "Invalid function name; function: foo", ""},
        {"Size(s) = :n1", "Invalid function name; function: Size", ""},
        {"s = if_not_exists(s, :x)",
         "The function is not allowed in a condition expression; function: if_not_exists",
         ""},
        {"size(s)",
         "The function is not allowed to be used this way in an expression; function: "
         "size",
         ""},
        {"size(s) AND n = :n1",
         "The function is not allowed to be used this way in an expression; function: "
         "size",
         ""},
        {"contains(s, :x) = :yes",
         "The function is not allowed to be used this way in an expression; function: "
         "contains",
         ""},
        {"contains(s, begins_with(s, :x))",
         "The function is not allowed to be used this way in an expression; function: "
         "begins_with",
         ""},
        {"status = :x", "Attribute name is a reserved keyword; reserved keyword: status",
         ""},
        {"m.Name = :x", "Attribute name is a reserved keyword; reserved keyword: Name",
         ""},
        {"size(size) = :n1",
         "Attribute name is a reserved keyword; reserved keyword: size", ""},
        {"#q = :x",
         "An expression attribute name used in the document path is not defined; "
         "attribute "
         "name: #q",
         ""},
        {"s = :q",
         "An expression attribute value used in expression is not defined; attribute "
         "value: :q",
         ""},
        {"attribute_exists(s, n)",
         "Incorrect number of operands for operator or function; operator or function: "
         "attribute_exists, number of operands: 2",
         ""},
        {"begins_with(s)",
         "Incorrect number of operands for operator or function; operator or function: "
         "begins_with, number of operands: 1",
         ""},
        {"s = #s",
         "The first operand must be distinct from the remaining operands for this "
         "operator or "
         "function; operator: =, first operand: [s]",
         ""},
        {"contains(m.y[1], m.y[1])",
         "The first operand must be distinct from the remaining operands for this "
         "operator or "
         "function; operator: contains, first operand: [m, y, [1]]",
         ""},
        {"attribute_exists(:x)",
         "Operator or function requires a document path; operator or function: "
         "attribute_exists",
         ""},
        {"attribute_type(s, :odd)",
         "Invalid attribute type name found; type: X, valid types: "
         "{B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
         ""},
        {"attribute_type(s, :n1)", operand, "attribute_type, operand type: N"},
        {"attribute_type(s, n)", operand,
         "attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}"},
        {"begins_with(s, :n1)", operand, "begins_with, operand type: N"},
        {"begins_with(:ss, s)", operand, "begins_with, operand type: SS"},
        {"begins_with(s, size(m))", operand, "begins_with, operand type: N"},
        {"size(:n1) = :n1", operand, "size, operand type: N"},
        {"size(:yes) = :n1", operand, "size, operand type: BOOL"},
        {"s < :yes", operand, "<, operand type: BOOL"},
        {"s <= :m", operand, "<=, operand type: M"},
        {":null > s", operand, ">, operand type: NULL"},
        {"n BETWEEN :x AND :n1",
         "The BETWEEN operator requires same data type for lower and upper bounds; lower "
         "bound "
         "operand: AttributeValue: {S:x}, upper bound operand: AttributeValue: {N:1}",
         ""},
        {"n BETWEEN :n2 AND :n1",
         "The BETWEEN operator requires upper bound to be greater than or equal to lower "
         "bound; "
         "lower bound operand: AttributeValue: {N:2}, upper bound operand: "
         "AttributeValue: "
         "{N:1}",
         ""},
        {"l[99999999999] = :x",
         "List index is not within the allowable range; index: [99999999999]", ""},
        /* which comes first, when there are two */
        {"status = :q AND foo(s)", "Invalid function name; function: foo", ""},
        {"status = :q", "Attribute name is a reserved keyword; reserved keyword: status",
         ""},
        {"((status = :q)) AND foo(s) OR", "Syntax error; token: \"<EOF>\", near: \"OR\"",
         ""},
    };
    struct fixture f;
    open_fixture(&f);
    for (size_t i = 0; i < COUNT(rows); i++)
        refused(&f, rows[i][0], arena_printf(&f.arena, "%s%s", rows[i][1], rows[i][2]));
    arena_free(&f.arena);
}

/* text, then `part` n times, then tail */
static const char *repeated(struct fixture *f, const char *text, const char *part, int n,
                            const char *tail)
{
    AUTO_STR out = STR_INIT;
    str_add(&out, text);
    for (int i = 0; i < n; i++)
        str_add(&out, part);
    str_add(&out, tail);
    return arena_strdup(&f->arena, out.data);
}

static void taken(struct fixture *f, const char *text)
{
    const struct condition *c = NULL;
    struct error err = ERROR_INIT;
    if (condition_parse(&f->scope, "ConditionExpression", text, &c, &err) < 0)
        fail_msg("%.60s…: %s", text, err.text);
}

static void bounds_are_kept(void **state)
{
    struct fixture f;
    open_fixture(&f);
    taken(&f, repeated(&f, "s=:x", " OR s=:x", 149, "")); /* 299 */
    taken(&f, repeated(&f, "NOT s=:x", " OR s=:x", 149, ""));
    refused(&f, repeated(&f, "s=:x", " OR s=:x", 150, ""),
            "The expression contains too many operators; operator count: 301");
    refused(&f, repeated(&f, "", "NOT ", 301, "s=:x"),
            "The expression contains too many operators; operator count: 301");
    refused(&f, repeated(&f, "", "(", 2000, ""),
            "The expression has redundant parentheses;");
    refused(&f, repeated(&f, "", "size(", 800, ""),
            "The expression contains too many operators; operator count: 301");
    refused(&f, repeated(&f, "s IN (", "(", 2000, ""),
            "The expression has redundant parentheses;");
    taken(&f, repeated(&f, "s IN (:x", ",:x", 99, ")"));
    refused(
        &f, repeated(&f, "s IN (:x", ",:x", 100, ")"),
        "The IN operator is provided with too many operands; number of operands: 101");
    taken(&f, repeated(&f, "m", ".x", 31, " = :x"));
    refused(&f, repeated(&f, "m", ".x", 32, " = :x"),
            "The document path has too many nesting elements; nesting levels: 33");
    taken(&f, repeated(&f, "s = :x", " ", 4090, ""));
    refused(
        &f, repeated(&f, "s = :x", " ", 4091, ""),
        "Expression size has exceeded the maximum allowed size; expression size: 4097");
    arena_free(&f.arena);
}

static void a_condition_knows_its_attributes(void **state)
{
    struct fixture f;
    const struct condition *c = NULL;
    struct error err = ERROR_INIT;
    open_fixture(&f);
    assert_int_equal(condition_parse(&f.scope, "FilterExpression",
                                     "#m.x = :n1 OR NOT (size(ss) = :n1 AND b IN (l, s))",
                                     &c, &err),
                     0);
    static const char *const names[] = {"m", "ss", "b", "l", "s"};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_true(condition_names(c, names[i]));
    assert_false(condition_names(c, "x"));
    assert_false(condition_names(c, "n"));
    assert_int_equal(condition_check_key(c, "Key", "s", &err), 0);
    assert_int_equal(condition_check_key(c, "Key", "m", &err), -E_INVALID);
    assert_string_equal(err.text,
                        "Key attributes must be scalars; list random access '[]' and "
                        "map lookup '.' are not allowed: Key: m");
    arena_free(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_hold_or_not),
        cmocka_unit_test(without_an_item_nothing_is_there),
        cmocka_unit_test(mistakes_are_told_in_the_service_s_words),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(a_condition_knows_its_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
