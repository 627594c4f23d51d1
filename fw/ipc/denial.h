/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One refused attempt: what the engine saw of it, as it goes to the parent, which adds who it was
 * and writes it down. Fixed size, no pointers: it crosses a process boundary. */
#ifndef AGENTFW_DENIAL_H
#define AGENTFW_DENIAL_H

#include <stddef.h>
#include <stdint.h>

#include "policy/base/addr.h"

enum denial_code {
	DENIED_NO_RULE = 1, /* no rule allows the endpoint */
	DENIED_BY_RULE,     /* a deny rule */
	DENIED_NOT_LEARNED, /* the name is allowed, the address was not given for it */
	DENIED_OTHER_NAME,  /* the address is allowed for one name, the first payload asks for
			       another */
	DENIED_NO_SNI,
	DENIED_ECH,
	DENIED_NOT_TLS, /* garbage, another protocol */
	DENIED_NOT_HTTP,
	DENIED_SILENCE,   /* a first payload that did not become whole in time */
	DENIED_TOO_LARGE, /* held bytes or packets over the limit */
	DENIED_OVERLAP,   /* segments that contradict each other */
	DENIED_URGENT,
	DENIED_CHECKSUM,
	DENIED_TTL,
	DENIED_FRAGMENT,
	DENIED_IP_OPTIONS,
	DENIED_MALFORMED,
	DENIED_PROTOCOL, /* neither TCP, UDP nor an allowed ICMP */
	DENIED_QUIC,
	DENIED_MULTICAST,
	DENIED_INBOUND,  /* somebody connects to a listener inside */
	DENIED_DNS_NAME, /* a name that no rule allows was asked for */
	DENIED_DNS_MALFORMED,
	DENIED_DNS_REBIND,  /* an allowed name answered with an address it may not have */
	DENIED_DNS_SPOOFED, /* an answer that does not fit its question */
	DENIED_DEVICE,      /* an address of this machine, by a device that does not lead there */
	DENIED_STALE,       /* a payload of a connection whose beginning was not seen */
	DENIED_SOURCE,      /* it says that it comes from somebody else */
	DENIED_CUT, /* longer than what the kernel shows of a packet, and all must be seen */
	/* refused as a call, by the socket wall (wall.h): there is no packet */
	DENIED_SOCKET_TYPE,    /* a kind of socket that no rule could judge */
	DENIED_SOCKET_ADDRESS, /* an address that names a device, or many */
	DENIED_SOCKET_OPTION,
	DENIED_CODE_COUNT,
};

#define DENIAL_NAME_MAX 256

struct denial {
	uint64_t time_ns; /* CLOCK_REALTIME */
	uint32_t fence;
	uint32_t go;     /* not 0: the engine waits with its verdict for this number */
	uint16_t code;   /* enum denial_code */
	uint8_t would;   /* 1: audit mode, it was let through */
	uint8_t inbound; /* 1: from outside to a socket inside */
	uint8_t more;    /* 1: a further packet of the refusal before it: for the capture only */
	uint8_t l4proto;
	uint8_t dns; /* 1: a DNS question; name and qtype are it */
	uint16_t qtype;
	struct addr src, dst; /* as the packet had them */
	uint16_t sport, dport;
	uint8_t icmp_type, icmp_code;
	uint32_t uid;               /* UINT32_MAX: unknown */
	uint32_t rule;              /* index into the fence's policy, or RULE_NONE */
	char endpoint[300];         /* canonical endpoint, our grammar; a question has none */
	char name[DENIAL_NAME_MAX]; /* DNS question, SNI or Host, escaped; empty: none */
	char detail[160];           /* what a person should read, beyond the code; may be empty */
};

#endif
