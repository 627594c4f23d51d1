/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a fence has learned: which addresses our resolver gave for which names, until when, and
 * which of them the kernel's sets hold. */
#ifndef AGENTFW_NAMES_H
#define AGENTFW_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/engine_msg.h"
#include "policy/policy.h"

struct names;

/* Pairs of name and address per fence; the oldest goes first. A name with hundreds of rotating
 * addresses stays far below this for days. The kernel's sets hold no more elements either; beyond
 * that the engine decides. */
#define NAMES_MAX     65536
#define NAMES_BUCKETS 16384
/* A well-behaved client may use an address a while after its TTL: at least this long. */
#define NAMES_GRACE_MS   (300 * 1000)
#define NAMES_MIN_TTL_MS (60 * 1000)

int names_new(const struct policy *policy, struct names **ret);
void names_free(struct names *n);

/* name has address a until now + ttl + grace. plain: any name may have the address. Otherwise only
 * those entries of the policy open anything there whose `addresses:` has it, or all of them if the
 * policy pins the name to it. *ret_n entries (up to max) that the kernel's sets do not hold yet go
 * to ret. 0; -ENOMEM: nothing was learned. */
int names_learn(struct names *n, const struct name *name, const struct addr *a, bool plain,
		uint32_t ttl_s, uint64_t now_ms, struct learn_entry *ret, size_t max,
		size_t *ret_n);

/* *ret_any (may be NULL): every entry for the name holds at this address, not only those whose
 * `addresses:` has it. */
bool names_has(const struct names *n, const struct name *name, const struct addr *a,
	       uint64_t now_ms, bool *ret_any);
/* Names of an address, newest first; at most max. Returns how many. */
size_t names_of(const struct names *n, const struct addr *a, uint64_t now_ms, struct name *ret,
		size_t max);

/* What all names of an address open at one port, however many they are. */
struct names_open {
	bool all;                /* tcp://, udp://, icmp://: the address is enough */
	bool tls, http;          /* the payload must say the name */
	uint32_t rule;           /* of the name that opened it last, */
	const struct name *name; /* this name; NULL: forgotten */
};
/* port 0 for ICMP. false: nothing. ret->name is valid until names are learned or forgotten. */
bool names_opens(const struct names *n, const struct addr *a, uint8_t l4proto, uint16_t port,
		 uint64_t now_ms, struct names_open *ret);

/* Grows whenever a pair had to make room for another. */
uint64_t names_dropped(const struct names *n);
bool names_empty(const struct names *n);
/* Forgets what has expired in the next `buckets` of NAMES_BUCKETS. Entries that the kernel's sets
 * must lose go to ret (up to max, the rest next time). */
size_t names_expire(struct names *n, uint64_t now_ms, size_t buckets, struct learn_entry *ret,
		    size_t max);

#endif
