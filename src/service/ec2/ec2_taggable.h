/* ec2_taggable.h: every kind of resource that has tags, for CreateTags, DeleteTags and
 * DescribeTags. A new kind is one row in ec2_taggable.c.
 *
 * Owns: nothing; tags belong to the object's record and survive no save.
 * Threads: state thread. Fails: taggable_require() with the call's fault. */
#pragma once

#include "ec2_state.h"

struct taggable_kind {
    const char *prefix; /* of ids: "vpc-" */
    enum ec2_resource_type type;
    size_t table;         /* offset in struct ec2 */
    const char *key_kind; /* of the objects' keys: "vpc" */
    const char *missing_code, *missing_text;
    struct ec2_tag_list *(*tags)(const struct object *o);
    const char *(*id)(const struct object *o); /* NULL: the end of the key */
};
/* Ended by a NULL prefix. Rules of security groups are the kind that is none: they lie in
 * their group, so they are found by their own ids and walked through by their groups. */
extern const struct taggable_kind taggable_kinds[];
struct table *taggable_table(const struct core *core, const struct taggable_kind *k);
const char *taggable_id(const struct taggable_kind *k, const struct object *o);

struct taggable {
    struct object *object; /* to be saved after a change */
    struct ec2_tag_list *tags;
    const char *id;
    enum ec2_resource_type type;
};
/* False: there is none of this id. */
bool taggable_find(struct call *c, const char *id, struct taggable *ret);
int taggable_require(struct call *c, const char *id, struct taggable *ret);
