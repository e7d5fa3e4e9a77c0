/* port_protocol: the words for what a port speaks (spec GW-10, SV-15, SV-41). Pure. */
#ifndef CONFIG_PORT_PROTOCOL_H
#define CONFIG_PORT_PROTOCOL_H

#include "config/resources.h"

/* Any case. False for a word that is no protocol. */
bool port_protocol_parse(struct str name, enum port_protocol *protocol);
/* Of a Kubernetes Service port: appProtocol, else the port's name, else the number (SV-15). */
enum port_protocol port_protocol_of_service(const struct service_port *port);
bool port_protocol_is_http(enum port_protocol protocol); /* spoken in plain text */
bool port_protocol_is_tls(enum port_protocol protocol);

#endif
