/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several tests are given: names and addresses from text, a policy from text. After cmocka.h.
 */
#ifndef AGENTFW_TEST_GIVEN_H
#define AGENTFW_TEST_GIVEN_H

#include <string.h>

#include "policy/base/addr.h"
#include "policy/base/name.h"
#include "policy/policy.h"

static inline struct name name(const char *text)
{
	struct name n;

	if (!name_canon(text, strlen(text), &n))
		fail_msg("'%s' is no name", text);
	return n;
}

static inline struct addr addr(const char *text)
{
	struct addr a;

	if (!addr_parse(text, strlen(text), &a))
		fail_msg("'%s' is no address", text);
	return a;
}

/* Both are the caller's: policy_free, free. */
static inline void given_policy(const char *text, struct policy **ret, void **ret_blob)
{
	struct diags d;
	struct err e;
	size_t bytes;

	assert_int_equal(policy_compile("/p.yaml", text, strlen(text), &d, ret_blob, &bytes), 0);
	diags_done(&d);
	assert_int_equal(policy_open(*ret_blob, bytes, ret, &e), 0);
}

#endif
