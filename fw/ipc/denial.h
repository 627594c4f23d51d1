/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A refused attempt, as the engine reports it to the parent, which adds the process and records it.
 * Fixed size, no pointers: it crosses a process boundary. */
#ifndef AGENTFW_DENIAL_H
#define AGENTFW_DENIAL_H

#include <stddef.h>
#include <stdint.h>

#include "policy/base/addr.h"

enum denial_code {
	DENIED_NO_RULE = 1, /* no rule allows the endpoint */
	DENIED_BY_RULE,     /* a deny rule */
	DENIED_NOT_LEARNED, /* the name is allowed, but our resolver gave no such address for it */
	DENIED_OTHER_NAME,  /* the address is allowed for one name, the first payload asks for
			       another */
	DENIED_NO_SNI,
	DENIED_ECH,
	DENIED_NOT_TLS, /* another protocol, or garbage */
	DENIED_NOT_HTTP,
	DENIED_SILENCE,   /* a first payload that stayed incomplete */
	DENIED_TOO_LARGE, /* held bytes or packets over the limit */
	DENIED_OVERLAP,   /* segments that differ where they overlap */
	DENIED_URGENT,
	DENIED_CHECKSUM,
	DENIED_TTL,
	DENIED_FRAGMENT,
	DENIED_IP_OPTIONS,
	DENIED_MALFORMED,
	DENIED_PROTOCOL, /* neither TCP, UDP nor an allowed ICMP */
	DENIED_QUIC,
	DENIED_MULTICAST,
	DENIED_INBOUND,  /* a peer that may not reach a listener in the fence */
	DENIED_DNS_NAME, /* a name that no rule allows was asked for */
	DENIED_DNS_MALFORMED,
	DENIED_DNS_REBIND,  /* an allowed name answered with an address it may not have */
	DENIED_DNS_SPOOFED, /* an answer that does not fit its question */
	DENIED_DEVICE,      /* by a device that does not lead to its address */
	DENIED_STALE,       /* a payload of a connection whose beginning was not seen */
	DENIED_SOURCE,      /* a foreign source address */
	DENIED_CUT,         /* longer than the kernel shows, and all of it must be inspected */
	/* a call that the socket wall (wall.h) refused: there is no packet */
	DENIED_SOCKET_TYPE,    /* a kind of socket that no rule could judge */
	DENIED_SOCKET_ADDRESS, /* a link-local, multicast or broadcast address */
	DENIED_SOCKET_OPTION,
	DENIED_CODE_COUNT,
};

#define DENIAL_NAME_MAX 256

struct denial {
	uint64_t time_ns; /* CLOCK_REALTIME */
	uint32_t fence;
	uint32_t go;     /* not 0: the verdict waits for an EM_GO with this number */
	uint16_t code;   /* enum denial_code */
	uint8_t would;   /* 1: audit mode: the attempt was let through */
	uint8_t inbound; /* 1: from outside to a socket of the fence */
	uint8_t more;    /* 1: another packet of the previous refusal, for the capture only */
	uint8_t l4proto;
	uint8_t dns; /* 1: a DNS question: name and qtype */
	uint16_t qtype;
	struct addr src, dst; /* as the packet had them */
	uint16_t sport, dport;
	uint8_t icmp_type, icmp_code;
	uint32_t uid;               /* UINT32_MAX: unknown */
	uint32_t rule;              /* index into the fence's policy, or RULE_NONE */
	char endpoint[300];         /* canonical endpoint, our grammar; a question has none */
	char name[DENIAL_NAME_MAX]; /* DNS question, SNI or Host, escaped; empty: none */
	char detail[160];           /* for people, beyond the code; may be empty */
};

#endif
