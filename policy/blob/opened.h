/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An open policy, for the files that read it. Everything that it points to was checked when it was
 * opened. */
#ifndef AGENTFW_POLICY_OPENED_H
#define AGENTFW_POLICY_OPENED_H

#include "policy/blob/blob.h"
#include "policy/policy.h"

struct policy {
	const struct blob_header *h;
	const struct blob_rule *rules;
	const struct blob_extra *extras;
	const struct blob_entry *entries;
	const struct blob_slot *slots;
	const struct blob_addr_rule *addr_rules;
	const struct blob_ingress *ingress;
	const struct prefix *addresses;
	const struct blob_pin *pins;
	const struct blob_server *servers;
	const struct blob_profile *profiles;
	const struct blob_path *paths;
	const struct blob_env *env;
	const uint32_t *words;
	const char *nets;
	const char *strings;
	/* what need not be looked up */
	bool lengths[2][129]; /* prefix lengths that address rules have: IPv4, IPv6 */
	bool depths[128];     /* numbers of labels behind "*." that wildcards have; 0: `*` */
	bool wildcards;
	bool denies;
};

/* Does a deny rule cover all of r's prefix at r's protocol and port? *ret_rule is that rule. */
bool opened_prefix_denied(const struct policy *p, const struct blob_addr_rule *r,
			  uint32_t *ret_rule);

#endif
