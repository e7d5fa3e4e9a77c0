/* read_kinds: node to typed object, one function for each kind. Each takes the document's root and
 * the object with its meta filled, fills the rest, runs the checks of check_kinds.h and reports
 * through the reader; reader->error_count says whether the object may be used. */
#ifndef CONFIG_READ_KINDS_H
#define CONFIG_READ_KINDS_H

#include "config/reader.h"

void read_gateway(struct reader *reader, const struct node *root, struct gateway *gateway);
void read_virtual_service(struct reader *reader, const struct node *root,
                          struct virtual_service *service);
void read_destination_rule(struct reader *reader, const struct node *root,
                           struct destination_rule *rule);
void read_service_entry(struct reader *reader, const struct node *root,
                        struct service_entry *entry);
void read_service_entry_workload(struct reader *reader, const struct node *root,
                                 struct workload_entry *entry);
void read_core_service(struct reader *reader, const struct node *root, struct service *service);
void read_core_secret(struct reader *reader, const struct node *root, struct secret_object *secret);
void read_core_config_map(struct reader *reader, const struct node *root, struct config_map *map);
void read_core_pod(struct reader *reader, const struct node *root, struct pod *pod);
void read_core_endpoint_slice(struct reader *reader, const struct node *root,
                              struct endpoint_slice *slice);

/* The tables that read_virtual_service.c takes from read_http_route.c. */
extern const struct message read_http_route_message;
extern const struct message read_l4_route_destination_message;

#endif
