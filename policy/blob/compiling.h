/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that build a blob share. */
#ifndef AGENTFW_POLICY_COMPILING_H
#define AGENTFW_POLICY_COMPILING_H

#include "policy/blob/compile.h"

struct array {
	void *p;
	size_t n, room, each;
};

struct compile {
	struct blob_header h;
	struct array rules, extras, entries, addr_rules, ingress, addresses, pins, servers,
	    profiles, paths, env, words, nets, strings;
	struct blob_slot *slots;
	size_t n_slots;
};

/* Room for n more, not initialised; NULL: out of memory, or more than a blob holds. */
void *compiling_add(struct array *a, size_t n);
/* s NULL: 0, no string. */
int compiling_string(struct compile *c, const char *s, uint32_t *ret);
int compiling_extra(struct compile *c, const struct compile_rule *r, uint32_t *ret);

#endif
