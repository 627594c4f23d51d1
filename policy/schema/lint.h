/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the file says twice, or in vain: checks over the whole of a policy. */
#ifndef AGENTFW_POLICY_LINT_H
#define AGENTFW_POLICY_LINT_H

#include "policy/policy.h"

/* Where the names under dns.hosts stand. */
struct pin_place {
	struct name name;
	unsigned line, col;
};

struct pins {
	struct pin_place *list; /* for the owner to free */
	size_t n, room;
};

int pins_add(struct pins *pins, const struct name *name, unsigned line, unsigned col);
/* Sorts them; a name that is there twice is an error. */
void pins_check(struct pins *pins, struct diags *d);

/* Adds warnings: endpoints written twice, endpoints that a deny entry covers whole, pins of names
 * that nothing allows. 0 or -ENOMEM. */
int lint(const struct policy *p, const struct pins *pins, struct diags *d);

#endif
