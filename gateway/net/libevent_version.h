/* libevent_version: which libevent is linked, for `gatehouse version`. */
#ifndef GATEWAY_NET_LIBEVENT_VERSION_H
#define GATEWAY_NET_LIBEVENT_VERSION_H

const char *libevent_version(void);

#endif
