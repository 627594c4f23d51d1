/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An IPv4 or IPv6 address, a prefix of them, and what kind of place an address is.
 *
 * Addresses are in network byte order. An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is always kept
 * as the IPv4 address: there is one form of every address, so comparing bytes is comparing
 * addresses. */
#ifndef AGENTFW_BASE_ADDR_H
#define AGENTFW_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDR_STRLEN   46 /* INET6_ADDRSTRLEN */
#define PREFIX_STRLEN 50

struct addr {
	uint8_t family; /* 4 or 6; 0: none */
	uint8_t b[16];  /* IPv4: the first four, the rest zero */
};

struct prefix {
	struct addr addr; /* host bits are zero */
	uint8_t bits;     /* 0..32 or 0..128 */
};

/* What an address is good for: the first kind that fits, in this order. An address that embeds an
 * IPv4 address is what the embedded one is: NAT64 64:ff9b::/96, IPv4-translated ::ffff:0:0:0/96,
 * 6to4 2002::/16, IPv4-compatible ::/96. Teredo 2001::/32 (server and client) and ISATAP
 * (::0:5efe:a.b.c.d behind any prefix) are as bad as the worst of what they embed. A provider's own
 * NAT64 prefix looks like any address; `64:ff9b:1::/48` is private, since it may lead anywhere. */
enum addr_kind {
	ADDR_GLOBAL = 0,
	ADDR_UNSPECIFIED, /* 0.0.0.0/8, :: */
	ADDR_LOOPBACK,    /* 127/8, ::1 */
	ADDR_METADATA,    /* 169.254.169.254, 169.254.170.2, 100.100.100.200, fd00:ec2::254,
			     168.63.129.16 … */
	ADDR_LINK_LOCAL,  /* 169.254/16, fe80::/10 */
	ADDR_MULTICAST,   /* 224/4, ff00::/8, 255.255.255.255 */
	ADDR_PRIVATE,     /* RFC 1918, RFC 6598 (100.64/10), fc00::/7, site-local fec0::/10 */
	ADDR_RESERVED,    /* documentation, benchmarking, 240/4, discard … (RFC 6890) */
};

/* Parses text that is exactly an address: no brackets, no zone, no leading zeros. */
bool addr_parse(const char *text, size_t len, struct addr *ret);
/* Parses "addr" or "addr/bits". 0; -EINVAL: no prefix; -ERANGE: host bits set (ret is masked). */
int prefix_parse(const char *text, size_t len, struct prefix *ret);
/* Both return buf, always terminated. buf holds ADDR_STRLEN or PREFIX_STRLEN bytes. */
const char *addr_format(const struct addr *a, char *buf);
const char *prefix_format(const struct prefix *p, char *buf);

struct addr addr_from_v4(const void *bytes4);
struct addr addr_from_v6(const void *bytes16); /* unmaps ::ffff:0:0/96 */
/* false: neither AF_INET nor AF_INET6. ret_port (host order) may be NULL. */
bool addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret, uint16_t *ret_port);
/* Returns the length used of *ss. port in host order. */
socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ss);

bool addr_equal(const struct addr *a, const struct addr *b);
bool prefix_contains(const struct prefix *p, const struct addr *a);
#define ADDR_EMBEDDED_MAX 2
/* The IPv4 addresses that *a embeds (see enum addr_kind). Returns how many. */
size_t addr_embedded_v4(const struct addr *a, struct addr ret[ADDR_EMBEDDED_MAX]);
enum addr_kind addr_kind(const struct addr *a);
bool addr_is_loopback(const struct addr *a);     /* as addr_kind, but cheap: for every packet */
const char *addr_kind_name(enum addr_kind kind); /* "loopback", "a cloud metadata address", … */

#endif
