/* What a fence has learned: which addresses our resolver gave for which names, and until when. And
 * which of them the kernel's sets hold. */
#ifndef AGENTFW_NAMES_H
#define AGENTFW_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/engine_msg.h"
#include "policy/policy.h"

struct names;

/* Pairs a fence may hold; the oldest goes first. A name that answers with hundreds of rotating
 * addresses for days stays far below it. The kernel's sets hold no more elements either; over that
 * the engine decides. */
#define NAMES_MAX 65536
/* A well-behaved client may use an address a while after its TTL: at least this long. */
#define NAMES_GRACE_MS   (300 * 1000)
#define NAMES_MIN_TTL_MS (60 * 1000)

int names_new(const struct policy *policy, struct names **ret);
void names_free(struct names *n);

/* name has address a until now + ttl + grace. *ret_n entries (up to max) that the kernel's sets do
 * not hold yet go to ret. 0; -ENOMEM: nothing was learned. */
int names_learn(struct names *n, const struct name *name, const struct addr *a, uint32_t ttl_s,
		uint64_t now_ms, struct learn_entry *ret, size_t max, size_t *ret_n);

bool names_has(const struct names *n, const struct name *name, const struct addr *a,
	       uint64_t now_ms);
/* Names of an address, newest first; at most max. Returns how many. */
size_t names_of(const struct names *n, const struct addr *a, uint64_t now_ms, struct name *ret,
		size_t max);
/* Forgets what is over; kernel entries to take out go to ret (up to max, the rest next time). */
size_t names_expire(struct names *n, uint64_t now_ms, struct learn_entry *ret, size_t max);

#endif
