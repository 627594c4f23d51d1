/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of DNS records: one table for the parser, the resolver and the record. */
#ifndef AGENTFW_DNS_TYPES_H
#define AGENTFW_DNS_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* What the resolver does with a question for it. */
enum dns_question {
	DNS_ASKS_NOBODY = 0, /* says that there is none: the record would open no address */
	DNS_ASKS_ADDRESS4,   /* asks upstream; addresses are guarded, and learned */
	DNS_ASKS_ADDRESS6,
	DNS_ASKS_SERVICE, /* asks upstream; the hints that lead elsewhere are left out (RFC 9460) */
};

/* X(name, number, what the resolver does): RFC 1035, 2782, 3403, 3596, 4034, 6891, 9460 */
#define DNS_TYPES(X)                                                                               \
	X(A, 1, ADDRESS4)                                                                          \
	X(NS, 2, NOBODY)                                                                           \
	X(CNAME, 5, NOBODY)                                                                        \
	X(SOA, 6, NOBODY)                                                                          \
	X(NULL, 10, NOBODY)                                                                        \
	X(PTR, 12, NOBODY)                                                                         \
	X(MX, 15, NOBODY)                                                                          \
	X(TXT, 16, NOBODY)                                                                         \
	X(AAAA, 28, ADDRESS6)                                                                      \
	X(SRV, 33, NOBODY)                                                                         \
	X(NAPTR, 35, NOBODY)                                                                       \
	X(OPT, 41, NOBODY)                                                                         \
	X(DS, 43, NOBODY)                                                                          \
	X(SVCB, 64, SERVICE)                                                                       \
	X(HTTPS, 65, SERVICE)                                                                      \
	X(ANY, 255, NOBODY)

enum dns_type {
#define DNS_TYPE(name, number, asks) DNS_TYPE_##name = (number),
	DNS_TYPES(DNS_TYPE)
#undef DNS_TYPE
};

#define DNS_TYPE_STRLEN 16

enum dns_question dns_type_asks(uint16_t type);
/* Bytes of an address record, or 0. */
size_t dns_type_address_bytes(uint16_t type);
/* The name, or as RFC 3597 writes it, "TYPE257", in buf. */
const char *dns_type_name(uint16_t type, char buf[DNS_TYPE_STRLEN]);

#endif
