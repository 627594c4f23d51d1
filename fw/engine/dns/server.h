/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clients' side of the resolver: queries in, replies out, over UDP and TCP (RFC 7766). */
#ifndef AGENTFW_DNS_SERVER_H
#define AGENTFW_DNS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/loop.h"
#include "policy/base/addr.h"

struct dns_server;

/* Who asked, and where the reply goes. A copy may be kept: a reply to a closed connection is
 * dropped. */
struct dns_client {
	struct addr addr;
	uint16_t port;
	bool tcp;
	bool v6;
	uint64_t connection; /* TCP: its number */
};

/* Returns whether there was or will be a reply. */
typedef bool (*dns_query_fn)(void *arg, const struct dns_client *c, const uint8_t *msg, size_t n);

/* The sockets are owned from now on; -1: none. budget: the fence's; may be NULL. */
int dns_server_new(struct loop *loop, int udp4, int tcp4, int udp6, int tcp6, dns_query_fn fn,
		   void *arg, struct budget *budget, struct dns_server **ret);
void dns_server_free(struct dns_server *s);
void dns_server_reply(struct dns_server *s, const struct dns_client *c, const uint8_t *msg,
		      size_t n);

#endif
