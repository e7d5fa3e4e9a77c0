/* list: an intrusive doubly linked list. A `struct list` is both head and member; a head is
 * initialised with list_init(), a zeroed member is in no list. */
#ifndef GATEWAY_BASE_LIST_H
#define GATEWAY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

/* The object that embeds `member` at `link`. */
#define list_object(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}
static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}
static inline bool list_is_linked(const struct list *link)
{
    return link->next != NULL;
}
static inline void list_insert_between(struct list *link, struct list *prev, struct list *next)
{
    link->prev = prev;
    link->next = next;
    prev->next = link;
    next->prev = link;
}
static inline void list_push_front(struct list *head, struct list *link)
{
    list_insert_between(link, head, head->next);
}
static inline void list_push_back(struct list *head, struct list *link)
{
    list_insert_between(link, head->prev, head);
}
/* No-op for a member of no list. */
static inline void list_remove(struct list *link)
{
    if (link->next != NULL) {
        link->next->prev = link->prev;
        link->prev->next = link->next;
        link->next = NULL;
        link->prev = NULL;
    }
}
static inline struct list *list_first(const struct list *head)
{
    return head->next == head ? NULL : head->next;
}
static inline struct list *list_last(const struct list *head)
{
    return head->prev == head ? NULL : head->prev;
}

/* The current member may be removed inside the loop; its neighbours may not. */
#define LIST_EACH(head, link)                                                                      \
    for (struct list *link = (head)->next, *link##_next = link->next; link != (head);              \
         link = link##_next, link##_next = link->next)

#endif
