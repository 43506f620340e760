/* item_question.h: what an operation on items asks of IAM: which tables and indexes it touches,
 * by which keys, and which attributes it names.
 *
 * Owns: nothing; it lies in the call's arena. Threads: state thread. Fails: never. */
#pragma once

#include "attribute.h"
#include "call.h"

#define QUESTION_EXPRESSIONS 3

/* One question: a table, or one item of a transaction. */
struct item_question {
    const char *action;
    const char *table, *index;        /* as the request names them; index NULL: none */
    const attribute_map *const *keys; /* items or keys that it touches */
    size_t key_count;
    const char *expressions[QUESTION_EXPRESSIONS]; /* NULL: none */
    const char *key_condition;                     /* NULL: none */
    const struct string_map *names;                /* ExpressionAttributeNames */
    const attribute_map *values;                   /* ExpressionAttributeValues */
    const struct string_list *attributes;          /* AttributesToGet */
    /* Legacy parameters; NULL where the operation has none. */
    const struct dynamodb_condition_map *key_conditions, *filter;
    const struct dynamodb_expected_attribute_value_map *expected;
    const struct dynamodb_attribute_value_update_map *updates;
    const char *select; /* the key dynamodb:Select; NULL: there is none */
    enum dynamodb_return_value return_values;
    bool returns; /* the operation has ReturnValues */
};

/* How many questions the call asks; *ret is an array. 0: it is not about items. */
size_t item_questions(struct call *c, const struct item_question **ret);
/* Names of the attributes that the question touches: of keys, and in expressions. */
struct string_list item_question_attributes(struct call *c, const struct item_question *q);
