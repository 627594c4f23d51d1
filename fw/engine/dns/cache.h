/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fence's answers, for their TTL. Bounded: a new answer may replace another's. */
#ifndef AGENTFW_DNS_CACHE_H
#define AGENTFW_DNS_CACHE_H

#include "fw/wire/dns.h"
#include "policy/base/addr.h"
#include "policy/base/name.h"

#define DNS_RESULT_RDATA_MAX 16

struct dns_result {
	int rcode;
	uint32_t ttl_s; /* as the answer had it */
	uint64_t until_ms;
	size_t n_addrs;
	struct addr addrs[DNS_ANSWER_MAX_ADDRS];
	bool plain[DNS_ANSWER_MAX_ADDRS]; /* any name may have the address: see names_learn */
	uint64_t learned;                 /* resolver_ops.forgotten when it was learned */
	size_t n_rdata;
	uint16_t rdata_at[DNS_RESULT_RDATA_MAX + 1];
	uint8_t rdata[2048];
};

struct dns_cache;

int dns_cache_new(struct dns_cache **ret);
void dns_cache_free(struct dns_cache *c);
/* NULL: absent or expired. Valid until the next put. */
struct dns_result *dns_cache_get(struct dns_cache *c, const struct name *name, uint16_t type,
				 uint64_t now_ms);
/* Copies; an answer without a TTL is not kept. */
void dns_cache_put(struct dns_cache *c, const struct name *name, uint16_t type,
		   const struct dns_result *res);
/* The seconds left, rounded down. */
uint32_t dns_result_ttl(const struct dns_result *res, uint64_t now_ms);

#endif
