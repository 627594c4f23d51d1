/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sets and maps of the table: their shapes, their keys, and elements in and out. Each function
 * adds to a batch; running out of memory shows when the batch is committed. */
#ifndef AGENTFW_NFT_SET_H
#define AGENTFW_NFT_SET_H

#include <libnftnl/set.h>
#include <stdbool.h>
#include <stdint.h>

#include "fw/nft/batch.h"
#include "policy/base/addr.h"
#include "policy/policy.h"

#define SET_ELEMS_PER_MESSAGE 512

/* Which fields a set's key has, each padded to 4 bytes. */
enum key_shape {
	KEY_CGROUP, /* a verdict map keyed by cgroup id */
	KEY_V4,     /* address . protocol . port */
	KEY_V6,
	KEY_V4_MAP, /* a verdict map with such a key */
	KEY_V6_MAP,
	KEY_PAIR4, /* address . address . protocol . port */
	KEY_PAIR6,
	KEY_PROTO, /* one protocol number */
	KEY_MARK,  /* a verdict map keyed by a mark */
};
struct set_spec {
	const char *name;
	enum key_shape shape;
	bool interval;
	const char *comment; /* NULL: none; at most COMMENT_BYTES_MAX */
	uint32_t most;       /* elements; 0: no limit */
};
void batch_set(struct batch *b, const struct set_spec *spec);
void batch_set_del(struct batch *b, const char *name);
void batch_set_flush(struct batch *b, const char *name);

struct set_key {
	uint8_t b[40];
	uint8_t n;
};
struct set_key set_key_cgroup(uint64_t id);
struct set_key set_key_mark(uint32_t mark);
/* address . protocol . port */
struct set_key set_key_addr(const struct addr *a, uint8_t l4proto, uint16_t port);
/* peer . listener . protocol . port; protocol and port are those of p. */
struct set_key set_key_pair(const struct ingress_pair *p, const struct addr *peer,
			    const struct addr *local);
/* Of an interval that is a prefix: its last address. The first is p->addr. */
struct addr set_prefix_last(const struct prefix *p);

/* Elements are added to the set object and sent with batch_elems (which frees it). */
struct nftnl_set *batch_elems_new(struct batch *b, const char *set);
/* key_end: of an interval, or NULL; goto_chain: of a map. NULL for a set, and to delete. */
void batch_elem(struct nftnl_set *s, const struct set_key *key, const struct set_key *key_end,
		const char *goto_chain);
void batch_elems(struct batch *b, uint16_t type, struct nftnl_set *s);

#endif
