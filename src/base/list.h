/* list.h: an intrusive doubly linked list.
 *
 * A head is a `struct list` too. An entry that is in no list points at itself, so
 * list_remove() can be called twice. Owns nothing. Threads: the owner's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define list_entry(ptr, type, member)                                                    \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define list_for_each(it, head)                                                          \
    for (struct list *it = (head)->next; it != (head); it = it->next)
/* The current entry may be removed (and freed) by the body. */
#define list_for_each_safe(it, head)                                                     \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);            \
         it = it##_next, it##_next = it->next)

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *entry)
{
    entry->prev = head->prev;
    entry->next = head;
    head->prev->next = entry;
    head->prev = entry;
}

static inline void list_remove(struct list *entry)
{
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    list_init(entry);
}

static inline struct list *list_first(const struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}
