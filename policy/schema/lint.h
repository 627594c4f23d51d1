/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries that are written twice or have no effect: checks over a whole policy. */
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

/* Adds warnings: endpoints and listeners written twice, endpoints that a deny entry covers whole or
 * that `network: none` cuts off, pins of names that nothing allows. 0 or -ENOMEM. */
int lint(const struct policy *p, const struct pins *pins, struct diags *d);

#endif
