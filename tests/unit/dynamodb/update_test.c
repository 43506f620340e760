/* Updates: an item before, an expression, the item after; and what is refused. */
#include "items.h"

#include <stdio.h>

#include "update.h"

#define ITEM                                                                             \
    "{'pk': {'S': 'k'}, 'n': {'N': '5'}, 's': {'S': 'x'}, 'ss': {'SS': ['a', 'b']},"     \
    " 'ns': {'NS': ['1', '2']}, 'l': {'L': [{'S': 'a'}, {'S': 'b'}, {'S': 'c'}]},"       \
    " 'm': {'M': {'x': {'N': '1'}, 'inn': {'M': {'y': {'S': 'z'}}},"                     \
    "             'li': {'L': [{'M': {'a': {'N': '1'}}}, {'SS': ['p']}]}}}}"
#define VALUES                                                                           \
    "{':one': {'N': '1'}, ':half': {'N': '0.50'}, ':t': {'S': 't'}, ':u': {'S': 'u'},"   \
    " ':big': {'N': '9e125'}, ':b': {'SS': ['b']}, ':bc': {'SS': ['b', 'c']},"           \
    " ':ab': {'SS': ['b', 'a']}, ':ns': {'NS': ['2.0', '3']}, ':p': {'SS': ['p']},"      \
    " ':l': {'L': [{'S': 'd'}]}, ':el': {'L': []}, ':map': {'M': {'k': {'S': 'v'}}},"    \
    " ':yes': {'BOOL': true}, ':null': {'NULL': true}, ':bin': {'B': 'AA=='}}"
#define NAMES "{'#n': 'n', '#m': 'm', '#in': 'inn', '#status': 'status', '#dot': 'a.b'}"

struct fixture {
    struct arena arena;
    struct dynamodb_put_item_input *in;
    struct expression_scope scope;
};

static void open_with(struct fixture *f, const char *item)
{
    struct error err = ERROR_INIT;
    *f = (struct fixture){.arena = ARENA_INIT};
    f->in = items_read(&f->arena,
                       arena_printf(&f->arena,
                                    "{'Item': %s, 'ExpressionAttributeNames': " NAMES
                                    ", 'ExpressionAttributeValues': " VALUES "}",
                                    item));
    assert_int_equal(item_validate(&f->arena, &f->in->item, &err), 0);
    f->scope = scope_of(&f->arena, f->in);
}

static const struct update *parsed(struct fixture *f, const char *text)
{
    const struct update *u = NULL;
    struct error err = ERROR_INIT;
    if (update_parse(&f->scope, text, &u, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return u;
}

/* The new item; the old one must be as it was. */
static attribute_map updated(struct fixture *f, const char *text)
{
    struct error err = ERROR_INIT;
    attribute_map ret = {0};
    const char *before = item_text(&f->arena, &f->in->item);
    if (update_apply(&f->arena, parsed(f, text), &f->in->item, &ret, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    assert_string_equal(item_text(&f->arena, &f->in->item), before);
    return ret;
}

/* Of the attributes that the row names only. */
static void updates_give(const char *item, const char *const (*rows)[3], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct fixture f;
        open_with(&f, item);
        attribute_map got = updated(&f, rows[i][0]), part = {.set = true};
        for (const char *p = rows[i][1]; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
            const char *name = arena_strndup(&f.arena, p, strcspn(p, " "));
            const attribute_value *v = item_get(&got, name);
            if (v)
                item_set(&f.arena, &part, name, v);
        }
        if (!streq(item_text(&f.arena, &part), rows[i][2]))
            print_error("%s:\n", rows[i][0]);
        assert_string_equal(item_text(&f.arena, &part), rows[i][2]);
        arena_free(&f.arena);
    }
}

static void attributes_are_set(void **state)
{
    static const char *const rows[][3] = {
        {"SET a = :t", "a", "{'a':{'S':'t'}}"},
        {"set s=:t", "s", "{'s':{'S':'t'}}"},
        {"SET s = n, n = s", "s n", "{'s':{'N':'5'},'n':{'S':'x'}}"}, /* the pre-image */
        {"SET #status = :t", "status", "{'status':{'S':'t'}}"},
        {"SET #dot = :t", "a.b", "{'a.b':{'S':'t'}}"},
        {"SET a = m.inn", "a", "{'a':{'M':{'y':{'S':'z'}}}}"},
        {"SET a = l[1]", "a", "{'a':{'S':'b'}}"},
        {"SET n = n + :one", "n", "{'n':{'N':'6'}}"},
        {"SET n = n - :half", "n", "{'n':{'N':'4.5'}}"},
        {"SET n = :one + m.x", "n", "{'n':{'N':'2'}}"},
        {"SET n = (n + :one)", "n", "{'n':{'N':'6'}}"},
        {"SET n = (n) + (:one)", "n", "{'n':{'N':'6'}}"},
        {"SET n = (:one)", "n", "{'n':{'N':'1'}}"},
        {"SET c = if_not_exists(c, :one)", "c", "{'c':{'N':'1'}}"},
        {"SET n = if_not_exists(n, :one)", "n", "{'n':{'N':'5'}}"},
        {"SET c = if_not_exists(c, n)", "c", "{'c':{'N':'5'}}"},
        {"SET c = if_not_exists(c, if_not_exists(d, :t))", "c", "{'c':{'S':'t'}}"},
        {"SET c = if_not_exists(c, :one) + :one", "c", "{'c':{'N':'2'}}"},
        {"SET n = :one + if_not_exists(n, :half)", "n", "{'n':{'N':'6'}}"},
        {"SET l = list_append(l, :l)", "l",
         "{'l':{'L':[{'S':'a'},{'S':'b'},{'S':'c'},{'S':'d'}]}}"},
        {"SET l = list_append(:l, l)", "l",
         "{'l':{'L':[{'S':'d'},{'S':'a'},{'S':'b'},{'S':'c'}]}}"},
        {"SET h = list_append(if_not_exists(h, :el), :l)", "h",
         "{'h':{'L':[{'S':'d'}]}}"},
        {"SET h = list_append(list_append(:l, :el), list_append(:l, :l))", "h",
         "{'h':{'L':[{'S':'d'},{'S':'d'},{'S':'d'}]}}"},
        {"SET h = list_append(:el, :el)", "h", "{'h':{'L':[]}}"},
        /* inside of maps and lists */
        {"SET m.x = :t", "m",
         "{'m':{'M':{'x':{'S':'t'},'inn':{'M':{'y':{'S':'z'}}},'li':{'L':[{'M':{'a':{'N':"
         "'"
         "1'}}},{"
         "'SS':['p']}]}}}}"},
        {"SET #m.#in.w = :t REMOVE #m.li, m.x", "m",
         "{'m':{'M':{'inn':{'M':{'y':{'S':'z'},'w':{'S':'t'}}}}}}"},
        {"SET m.li[0].a = m.li[0].a + :one REMOVE m.x, m.inn", "m",
         "{'m':{'M':{'li':{'L':[{'M':{'a':{'N':'2'}}},{'SS':['p']}]}}}}"},
        {"SET l[0] = :t", "l", "{'l':{'L':[{'S':'t'},{'S':'b'},{'S':'c'}]}}"},
        {"SET l[0] = l[2], l[2] = l[0]", "l",
         "{'l':{'L':[{'S':'c'},{'S':'b'},{'S':'a'}]}}"},
        /* behind the end: in the order of the places, whatever they are */
        {"SET l[3] = :t", "l", "{'l':{'L':[{'S':'a'},{'S':'b'},{'S':'c'},{'S':'t'}]}}"},
        {"SET l[99] = :t, l[50] = :u", "l",
         "{'l':{'L':[{'S':'a'},{'S':'b'},{'S':'c'},{'S':'u'},{'S':'t'}]}}"},
        {"SET l[1] = :t, l[7] = :u", "l",
         "{'l':{'L':[{'S':'a'},{'S':'t'},{'S':'c'},{'S':'u'}]}}"},
        {"SET l[9] = :t, m.li[7] = :u, m.li[0].b = :t REMOVE m.x, m.inn", "l m",
         "{'l':{'L':[{'S':'a'},{'S':'b'},{'S':'c'},{'S':'t'}]},'m':{'M':{'li':{'L':[{'M':"
         "{'a':{'"
         "N':'1'},'b':{'S':'t'}}},{'SS':['p']},{'S':'u'}]}}}}"},
    };
    updates_give(ITEM, rows, COUNT(rows));
}

static void attributes_are_removed(void **state)
{
    static const char *const rows[][3] = {
        {"REMOVE s", "s n", "{'n':{'N':'5'}}"},
        {"REMOVE s, gone, n", "s n", "{}"},
        {"REMOVE m.x, m.li", "m", "{'m':{'M':{'inn':{'M':{'y':{'S':'z'}}}}}}"},
        {"REMOVE m.inn.y, m.li, m.x", "m", "{'m':{'M':{'inn':{'M':{}}}}}"},
        {"REMOVE m.gone", "s", "{'s':{'S':'x'}}"},
        /* places are those of before */
        {"REMOVE l[0]", "l", "{'l':{'L':[{'S':'b'},{'S':'c'}]}}"},
        {"REMOVE l[0], l[1]", "l", "{'l':{'L':[{'S':'c'}]}}"},
        {"REMOVE l[2], l[0]", "l", "{'l':{'L':[{'S':'b'}]}}"},
        {"REMOVE l[0], l[1], l[2]", "l", "{'l':{'L':[]}}"},
        {"REMOVE l[7]", "l", "{'l':{'L':[{'S':'a'},{'S':'b'},{'S':'c'}]}}"},
        {"REMOVE l[0] SET l[1] = :t", "l", "{'l':{'L':[{'S':'t'},{'S':'c'}]}}"},
        {"REMOVE l[1] SET l[5] = :t", "l", "{'l':{'L':[{'S':'a'},{'S':'c'},{'S':'t'}]}}"},
        {"REMOVE m.li[0], m.x, m.inn", "m", "{'m':{'M':{'li':{'L':[{'SS':['p']}]}}}}"},
        {"REMOVE m.li[0].a, m.li[1], m.x, m.inn", "m",
         "{'m':{'M':{'li':{'L':[{'M':{}}]}}}}"},
        {"REMOVE s SET a = s", "s a", "{'a':{'S':'x'}}"},
    };
    updates_give(ITEM, rows, COUNT(rows));
}

static void numbers_and_sets_are_added_to(void **state)
{
    static const char *const rows[][3] = {
        {"ADD n :half", "n", "{'n':{'N':'5.5'}}"},
        {"ADD c :one", "c", "{'c':{'N':'1'}}"},
        {"ADD m.x :one REMOVE m.li, m.inn", "m", "{'m':{'M':{'x':{'N':'2'}}}}"},
        {"ADD ss :bc", "ss", "{'ss':{'SS':['a','b','c']}}"},
        {"ADD ns :ns", "ns", "{'ns':{'NS':['1','2','3']}}"},
        {"ADD t :bc", "t", "{'t':{'SS':['b','c']}}"},
        {"ADD n :one, ss :bc SET a = n", "n ss a",
         "{'n':{'N':'6'},'ss':{'SS':['a','b','c']},'a':{'N':'5'}}"},
        {"DELETE ss :b", "ss", "{'ss':{'SS':['a']}}"},
        {"DELETE ss :bc", "ss", "{'ss':{'SS':['a']}}"},
        {"DELETE ss :ab", "ss", "{}"}, /* no empty sets */
        {"DELETE ns :ns", "ns", "{'ns':{'NS':['1']}}"},
        {"DELETE gone :b", "gone s", "{'s':{'S':'x'}}"},
        {"DELETE m.li[1] :p REMOVE m.x, m.inn", "m",
         "{'m':{'M':{'li':{'L':[{'M':{'a':{'N':'1'}}}]}}}}"},
        {"DELETE ss :b REMOVE s ADD n :one SET a = :t", "ss s n a",
         "{'ss':{'SS':['a']},'n':{'N':'6'},'a':{'S':'t'}}"},
    };
    updates_give(ITEM, rows, COUNT(rows));
}

static void a_new_item_begins_with_its_key(void **state)
{
    static const char *const rows[][3] = {
        {"SET a = :t", "pk a", "{'pk':{'S':'k'},'a':{'S':'t'}}"},
        {"SET a = if_not_exists(a, :one) ADD c :one", "pk a c",
         "{'pk':{'S':'k'},'a':{'N':'1'},'c':{'N':'1'}}"},
        {"REMOVE gone", "pk", "{'pk':{'S':'k'}}"},
    };
    updates_give("{'pk': {'S': 'k'}}", rows, COUNT(rows));
}

static void what_an_item_does_not_allow_is_refused(void **state)
{
    static const char
        type[] = "An operand in the update expression has an incorrect data type",
        absent[] = "The provided expression refers to an attribute that does not "
                   "exist in the item",
        path[] = "The document path provided in the update expression is invalid "
                 "for update",
        over[] = "Number overflow. Attempting to store a number with magnitude "
                 "larger than supported range";
    static const char *const rows[][2] = {
        {"SET a = gone", absent},
        {"SET a = a + :one", absent},
        {"SET a = :one + m.gone", absent},
        {"SET a = list_append(gone, :l)", absent},
        {"SET a = if_not_exists(b, gone)", absent},
        {"SET a = l[3]", absent},
        {"SET a = s + :one", type},
        {"SET a = :one - ss", type},
        {"SET a = list_append(l, n)", type},
        {"SET a = if_not_exists(s, :one) + :one", type},
        {"SET a = :one + list_append(l, l)", type},
        {"ADD s :one", type},
        {"ADD n :bc", type},
        {"ADD ss :ns", type},
        {"ADD l :bc", type},
        {"DELETE n :bc", type},
        {"DELETE ns :bc", type},
        {"SET gone.x = :t", path},
        {"SET m.gone.x = :t", path},
        {"SET s.x = :t", path},
        {"SET l.x = :t", path},
        {"SET m[0] = :t", path},
        {"SET gone[0] = :t", path},
        {"SET l[7].x = :t", path},
        {"REMOVE gone.x", path},
        {"ADD gone.x :one", path},
        {"DELETE gone.x :b", path},
        {"ADD big :big SET b = :big + :big", over},
        {"SET b = :big + :one",
         "Attempting to store more than 38 significant digits in a Number"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        struct error err = ERROR_INIT;
        attribute_map got = {0};
        open_with(&f, ITEM);
        const char *before = item_text(&f.arena, &f.in->item);
        if (update_apply(&f.arena, parsed(&f, rows[i][0]), &f.in->item, &got, &err) == 0)
            fail_msg("%s: is taken", rows[i][0]);
        if (!streq(err.text, rows[i][1]))
            print_error("%s:\n", rows[i][0]);
        assert_string_equal(err.text, rows[i][1]);
        assert_int_equal(got.n, 0);
        assert_string_equal(item_text(&f.arena, &f.in->item), before);
        arena_free(&f.arena);
    }
}

static void mistakes_are_told_in_the_service_s_words(void **state)
{
#define PATHS(how, one, two)                                                             \
    "Two document paths " how                                                            \
    " with each other; must remove or rewrite one of these paths; "                      \
    "path one: " one ", path two: " two
#define OPERAND "Incorrect operand type for operator or function; operator"
    static const char *const rows[][2] = {
        {"", "The expression can not be empty;"},
        {"a", "Syntax error; token: \"a\", near: \"a\""},
        {"a = :t", "Syntax error; token: \"a\", near: \"a =\""},
        {"SET", "Syntax error; token: \"<EOF>\", near: \"SET\""},
        {"SET a", "Syntax error; token: \"<EOF>\", near: \"a\""},
        {"SET a =", "Syntax error; token: \"<EOF>\", near: \"=\""},
        {"SET a = :t,", "Syntax error; token: \"<EOF>\", near: \",\""},
        {"SET a = :t b = :t", "Syntax error; token: \"b\", near: \":t b =\""},
        {"SET a = :one + :one + :one",
         "Syntax error; token: \"+\", near: \":one + :one\""},
        {"SET a = (:one + :one) + :one",
         "Syntax error; token: \"+\", near: \") + :one\""},
        {"SET a = :one * :one", "Syntax error; token: \"*\", near: \":one * :one\""},
        {"SET a = VALUE 1", "Syntax error; token: \"1\", near: \"VALUE 1\""},
        {"SET 8b = :t", "Syntax error; token: \"8\", near: \"SET 8b\""},
        {"SET first-name = :t", "Syntax error; token: \"-\", near: \"first-name\""},
        {"SET set = :t", "Syntax error; token: \"set\", near: \"SET set =\""},
        {"SET a.remove = :t", "Syntax error; token: \"remove\", near: \".remove =\""},
        {"REMOVE a = :t", "Syntax error; token: \"=\", near: \"a = :t\""},
        {"ADD a = :one", "Syntax error; token: \"=\", near: \"a = :one\""},
        {"ADD a b", "Syntax error; token: \"b\", near: \"a b\""},
        {"DELETE a", "Syntax error; token: \"<EOF>\", near: \"a\""},
        {"SET a = :t;", "Syntax error; token: \";\", near: \":t;\""},
        {"SET a = ((:t))", "The expression has redundant parentheses;"},
        {"SET a = ((n + :one))", "The expression has redundant parentheses;"},
        {"SET name = :t", "Attribute name is a reserved keyword; reserved keyword: name"},
        {"SET a = m.name",
         "Attribute name is a reserved keyword; reserved keyword: name"},
        {"REMOVE a.items[0]",
         "Attribute name is a reserved keyword; reserved keyword: items"},
        {"SET a = foo(s)", "Invalid function name; function: foo"},
        {"SET a = IF_NOT_EXISTS(s, :t)",
         "Invalid function name; function: IF_NOT_EXISTS"},
        {"SET a = size(s)",
         "The function is not allowed in an update expression; function: size"},
        {"SET a = :t SET b = :t",
         "The \"SET\" section can only be used once in an update expression;"},
        {"REMOVE a ADD c :one REMOVE b",
         "The \"REMOVE\" section can only be used once in an update expression;"},
        {"SET #q = :t", "An expression attribute name used in the document path is not "
                        "defined; attribute "
                        "name: #q"},
        {"SET a = :q", "An expression attribute value used in expression is not defined; "
                       "attribute value: :q"},
        {"SET a = :q, b = #q", "An expression attribute name used in the document path "
                               "is not defined; attribute "
                               "name: #q"},
        {"SET a = :t, a = :u", PATHS("overlap", "[a]", "[a]")},
        {"SET n = :t REMOVE #n", PATHS("overlap", "[n]", "[n]")},
        {"SET a.b = :t, a.b[0].c = :t", PATHS("overlap", "[a, b]", "[a, b, [0], c]")},
        {"SET a[1] = :t, a.b = :t", PATHS("conflict", "[a, [1]]", "[a, b]")},
        {"SET a[1] = :t, a.b = :t REMOVE a[1]", PATHS("overlap", "[a, [1]]", "[a, [1]]")},
        {"ADD a :t",
         OPERAND ": ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"},
        {"ADD a :l",
         OPERAND ": ADD, operand type: LIST, typeSet: ALLOWED_FOR_ADD_OPERAND"},
        {"ADD a :map",
         OPERAND ": ADD, operand type: MAP, typeSet: ALLOWED_FOR_ADD_OPERAND"},
        {"ADD a :yes",
         OPERAND ": ADD, operand type: BOOLEAN, typeSet: ALLOWED_FOR_ADD_OPERAND"},
        {"ADD a :null",
         OPERAND ": ADD, operand type: NULL, typeSet: ALLOWED_FOR_ADD_OPERAND"},
        {"ADD a :bin",
         OPERAND ": ADD, operand type: BINARY, typeSet: ALLOWED_FOR_ADD_OPERAND"},
        {"DELETE a :one",
         OPERAND ": DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"},
        {"SET a = if_not_exists(a)",
         "Incorrect number of operands for operator or function; operator or function: "
         "if_not_exists, number of operands: 1"},
        {"SET a = list_append(l, :l, :l)",
         "Incorrect number of operands for operator or function; operator or function: "
         "list_append, number of operands: 3"},
        {"SET a = if_not_exists(:t, :t)", "Operator or function requires a document "
                                          "path; operator or function: if_not_exists"},
        {"SET a = list_append(l, :t)",
         OPERAND " or function: list_append, operand type: S"},
        {"SET a = n + :t", OPERAND " or function: +, operand type: S"},
        {"SET a = :ab - n", OPERAND " or function: -, operand type: SS"},
        /* which comes first, when there are two */
        {"SET name = foo(s) SET b = :q",
         "Attribute name is a reserved keyword; reserved keyword: name"},
        {"SET a = foo(s) SET b = :q", "Invalid function name; function: foo"},
        {"SET a = :t, a = :q", "An expression attribute value used in expression is not "
                               "defined; attribute value: :q"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        const struct update *u = NULL;
        struct error err = ERROR_INIT;
        open_with(&f, ITEM);
        if (update_parse(&f.scope, rows[i][0], &u, &err) == 0)
            fail_msg("%s: is taken", rows[i][0]);
        if (!str_ends(err.text, rows[i][1]))
            print_error("%s:\n", rows[i][0]);
        assert_string_equal(
            err.text, arena_printf(&f.arena, "Invalid UpdateExpression: %s", rows[i][1]));
        arena_free(&f.arena);
    }
}

static void keys_can_not_be_changed(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    open_with(&f, ITEM);
    assert_int_equal(update_check_key(parsed(&f, "SET a = pk"), "pk", &err), 0);
    assert_int_equal(update_check_key(parsed(&f, "SET a = :t REMOVE pk"), "pk", &err),
                     -E_INVALID);
    assert_string_equal(err.text,
                        "One or more parameter values were invalid: Cannot update "
                        "attribute pk. This attribute is part of the key");
    arena_free(&f.arena);
}

static void what_was_updated_can_be_told(void **state)
{
    static const char text[] = "SET a = :t, m.x = :u, l[1] = :t REMOVE s ADD n :one";
    struct fixture f;
    attribute_map old, new;
    open_with(&f, ITEM);
    attribute_map got = updated(&f, text);
    const struct projection *paths = update_paths(parsed(&f, text));
    projection_apply(&f.arena, paths, &f.in->item, &old);
    projection_apply(&f.arena, paths, &got, &new);
    assert_string_equal(item_text(&f.arena, &old),
                        "{'n':{'N':'5'},'s':{'S':'x'},'l':{'L':[{'S':'b'}]},"
                        "'m':{'M':{'x':{'N':'1'}}}}");
    assert_string_equal(item_text(&f.arena, &new),
                        "{'n':{'N':'6'},'l':{'L':[{'S':'t'}]},'m':{'M':{'x':{'S':'u'}}},"
                        "'a':{'S':'t'}}");
    arena_free(&f.arena);
}

/* In memory a list is much larger than as the service counts: what would make an item too
 * large is refused before it is made. */
static void what_is_put_in_is_bounded(void **state)
{
    for (int kind = 0; kind < 2; kind++) {
        struct fixture f;
        struct error err = ERROR_INIT;
        attribute_map got;
        AUTO_STR text = STR_INIT;
        open_with(&f, "{'l': {'L': []}}");
        attribute_value *l = item_get(&f.in->item, "l");
        for (int k = 0; k < 5000; k++)
            *LIST_PUSH(&f.arena, &l->l) = (attribute_value){.s = "twenty bytes of text"};
        str_add(&text, "SET a0 = l");
        for (int k = 1; k < 60 && kind == 0; k++)
            str_addf(&text, ", a%d = list_append(l, :el)", k);
        for (int k = 1; k < 60 && kind == 1; k++)
            str_add(&text, k == 1 ? ", a = list_append(l, " : "list_append(l, ");
        if (kind == 1)
            str_add(&text, "l");
        for (int k = 1; k < 60 && kind == 1; k++)
            str_add(&text, ")");
        size_t before = f.arena.used_bytes;
        assert_int_equal(
            update_apply(&f.arena, parsed(&f, text.data), &f.in->item, &got, &err),
            -E_INVALID);
        assert_string_equal(err.text,
                            "Item size to update has exceeded the maximum allowed size");
        assert_true(f.arena.used_bytes - before < 40 << 20);
        arena_free(&f.arena);
    }
}

static void depth_is_bounded(void **state)
{
    for (int depth = ATTRIBUTE_DEPTH_MAX - 1; depth <= ATTRIBUTE_DEPTH_MAX; depth++) {
        struct fixture f;
        struct error err = ERROR_INIT;
        attribute_map got;
        open_with(&f, "{'m': {'M': {}}, 'd': {'L': []}}");
        attribute_value *d = item_get(&f.in->item, "d");
        for (int i = 1; i < depth; i++) {
            attribute_value inner = *d;
            *d = (attribute_value){.l.set = true};
            *LIST_PUSH(&f.arena, &d->l) = inner;
        }
        assert_int_equal(attribute_depth(d), depth);
        int r =
            update_apply(&f.arena, parsed(&f, "SET m.d = d"), &f.in->item, &got, &err);
        assert_int_equal(r, depth < ATTRIBUTE_DEPTH_MAX ? 0 : -E_INVALID);
        if (r < 0)
            assert_true(str_starts(err.text, "Nesting Levels have exceeded supported"));
        arena_free(&f.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_are_set),
        cmocka_unit_test(attributes_are_removed),
        cmocka_unit_test(numbers_and_sets_are_added_to),
        cmocka_unit_test(a_new_item_begins_with_its_key),
        cmocka_unit_test(what_an_item_does_not_allow_is_refused),
        cmocka_unit_test(mistakes_are_told_in_the_service_s_words),
        cmocka_unit_test(keys_can_not_be_changed),
        cmocka_unit_test(what_was_updated_can_be_told),
        cmocka_unit_test(what_is_put_in_is_bounded),
        cmocka_unit_test(depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
