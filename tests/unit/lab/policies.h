/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policies as tests compile them. After cmocka.h. */
#ifndef AGENTFW_TEST_POLICIES_H
#define AGENTFW_TEST_POLICIES_H

#include "policy/policy.h"

#define HEAD "version: 1\n"

static inline void print_diags(const struct diags *d)
{
	for (size_t i = 0; i < d->n; i++)
		print_error("%u:%u: %s\n", d->list[i].line, d->list[i].col, d->list[i].msg);
}

#endif
