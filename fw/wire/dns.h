/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS messages (RFC 1035, EDNS RFC 6891, EDE RFC 8914, SVCB RFC 9460): strict reading of queries
 * and answers, and building of our own. Names are decompressed strictly backwards. */
#ifndef AGENTFW_WIRE_DNS_H
#define AGENTFW_WIRE_DNS_H

#include "fw/wire/cursor.h"
#include "policy/base/dns_types.h"
#include "policy/base/name.h"

#define DNS_MAX_MESSAGE 65535
#define DNS_EDNS_UDP    1232 /* what we advertise, and the most that we send over UDP */

enum {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
};

enum { /* EDE info codes, RFC 8914 §5.2 */
       DNS_EDE_OTHER = 0,
       DNS_EDE_FORGED = 4,
       DNS_EDE_BLOCKED = 15,
       DNS_EDE_CENSORED = 16,
       DNS_EDE_FILTERED = 17,
       DNS_EDE_PROHIBITED = 18,
       DNS_EDE_NO_REACHABLE_AUTHORITY = 22,
       DNS_EDE_NETWORK_ERROR = 23,
};

/* A client's query. */
struct dns_query {
	uint16_t id;
	bool rd;
	bool cd;
	uint16_t type;
	struct name name; /* canonical; len 0 if the question's name is no host name: see below */
	struct slice question; /* QNAME, QTYPE, QCLASS as sent, to be echoed (0x20 case) */
	bool edns;
	uint16_t edns_udp;   /* the client's buffer size, at least 512 */
	char shown[256 * 4]; /* the name, escaped for a log, even if it is no host name */
};

/* WIRE_OK: one question, class IN, opcode 0, QR 0, no answer or authority records, at most an OPT
 * in the additional section, no trailing bytes, no compressed QNAME. With name.len 0 the question
 * is well-formed, but its name is no host name (binary labels, the root): refuse it. WIRE_BAD:
 * *ret_rcode is the answer's (DNS_FORMERR, DNS_NOTIMP, DNS_REFUSED); ret->id, ret->question and
 * ret->shown are filled in as far as they could be read (question.n 0: unread). WIRE_TRUNCATED:
 * under 12 bytes, give no answer. Never WIRE_MORE. */
enum wire_result dns_query_parse(const void *bytes, size_t n, struct dns_query *ret,
				 int *ret_rcode);

/* A server's answer to our question. */
#define DNS_ANSWER_MAX_ADDRS 256
#define DNS_ANSWER_MAX_CHAIN 16 /* CNAMEs followed */
#define DNS_ANSWER_MAX_RRS   512

struct dns_answer {
	int rcode;
	bool truncated; /* TC: ask again over TCP */
	uint32_t ttl_s; /* the least of the chain and its records, or of the SOA; 0: none */
	size_t n_cnames;
	struct name cnames[DNS_ANSWER_MAX_CHAIN]; /* the chain's targets, in order */
	size_t n_addrs;                           /* A or AAAA records at the chain's end */
	uint8_t addrs[DNS_ANSWER_MAX_ADDRS][16];  /* IPv4 in the first four */
	size_t n_rdata; /* records of other types there; names inside stay compressed */
	struct slice rdata[32];
};

/* Reads a response to the question (name, type, class IN) with this id. WIRE_BAD: QR 0, another id,
 * opcode or question, several questions, garbage, compression that points forward, a CNAME loop,
 * over the limits. Records whose owner is not on the chain from the name are ignored. Addresses
 * beyond the maximum are left out. Never WIRE_MORE or WIRE_TRUNCATED. */
enum wire_result dns_answer_parse(const void *bytes, size_t n, uint16_t id, const struct name *name,
				  uint16_t type, struct dns_answer *ret);

/* Builds a query: id, RD set, EDNS with DNS_EDNS_UDP and no options. Returns its length; 0 if it
 * does not fit into max. */
size_t dns_query_build(void *buf, size_t max, uint16_t id, const struct name *name, uint16_t type);

/* A reply to a client, built record by record. */
struct dns_builder {
	uint8_t *buf;
	size_t max, n;
	bool overflow;
	size_t base; /* header and question, which stay if the answer does not fit */
	bool opt;    /* the query had EDNS: one OPT is added at the end */
	uint16_t answers;
};

/* Begins a reply to q: same id, question echoed, RA set, RD and CD copied. */
void dns_reply_begin(struct dns_builder *b, void *buf, size_t max, const struct dns_query *q,
		     int rcode);
/* owner NULL: the question's name. */
void dns_reply_cname(struct dns_builder *b, const struct name *owner, const struct name *target,
		     uint32_t ttl_s);
void dns_reply_addr(struct dns_builder *b, const struct name *owner, uint16_t type,
		    const uint8_t *addr, uint32_t ttl_s);
void dns_reply_rdata(struct dns_builder *b, const struct name *owner, uint16_t type,
		     struct slice rdata, uint32_t ttl_s);
/* Ends the reply. ede < 0: none; text (may be NULL) is the EDE's EXTRA-TEXT. An EDE is only sent if
 * the query had EDNS. If the answer did not fit it is dropped, and TC set. Returns the length (≥
 * 12), or 0 if not even the question fits. */
size_t dns_reply_end(struct dns_builder *b, int ede, const char *text);

/* Copies SVCB/HTTPS rdata into buf (max bytes) without the parameters ech (5), ipv4hint (4) and
 * ipv6hint (6), and with the mandatory keys adjusted. Returns its length; 0: malformed, alias mode
 * (priority 0), or a target that is no host name: leave the record out. *ret_target: the target
 * name (len 0: "."). */
size_t dns_svcb_sanitize(struct slice rdata, void *buf, size_t max, struct name *ret_target);

#endif
