/* check_kinds: the rules of the spec that one object can be judged by alone (sections 2, 3, 5 to
 * 8). Each reports through the reader at the field's own place. */
#ifndef CONFIG_CHECK_KINDS_H
#define CONFIG_CHECK_KINDS_H

#include "config/reader.h"

void check_gateway(struct reader *reader, struct gateway *gateway);
/* Under the path of a server's `tls`. */
void check_server_tls(struct reader *reader, const struct server *server);
void check_virtual_service(struct reader *reader, const struct virtual_service *service);
/* Under the path of an `http` entry. */
void check_http_route(struct reader *reader, const struct virtual_service *service,
                      const struct http_route *route);
void check_http_match(struct reader *reader, const struct http_match *match);
void check_http_policy(struct reader *reader, const struct http_route *route);
/* Routes behind one that takes every request (SN-61, SN-74). */
void check_http_match_unreachable(struct reader *reader, const struct virtual_service *service);
void check_destination_rule(struct reader *reader, const struct destination_rule *rule);
/* Under the path of a trafficPolicy. `namespace` is the rule's own. */
void check_traffic_policy(struct reader *reader, const struct traffic_policy *policy,
                          struct str namespace);
void check_service_entry(struct reader *reader, const struct service_entry *entry);
void check_service_entry_workload(struct reader *reader, const struct workload_entry *entry);
void check_service(struct reader *reader, const struct service *service);

/* Shared (check_common.c). `field` is below the current path. */
void check_common_labels(struct reader *reader, const char *field,
                         const struct str_pair_vec *labels);
void check_common_export_to(struct reader *reader, const char *field,
                            const struct str_vec *export_to, bool is_service_entry); /* RL-46 */
void check_common_duration(struct reader *reader, const char *field, enum finding_code code,
                           const struct optional_duration *duration); /* RL-45 */
/* Names of Gateways as a VirtualService gives them (SN-40). */
void check_common_gateways(struct reader *reader, const char *field,
                           const struct str_vec *gateways);
/* A regular expression RE2 would take, of at most 1024 bytes (RL-48). */
void check_common_regex(struct reader *reader, const char *field, struct str regex);
/* HT-7. Under the path of the destination. */
void check_common_destination(struct reader *reader, const struct destination *destination);
/* HT-5. Under the path of an entry with a weight; what it adds to the sum. */
int64_t check_common_weight(struct reader *reader, int32_t weight);

#endif
