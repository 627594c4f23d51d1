/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentctl doctor: what this machine has and lacks for agentfw. */
#ifndef AGENTFW_DOCTOR_H
#define AGENTFW_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

enum finding { FOUND, LACKING };

struct check {
	const char *name;
	enum finding finding;
	bool needed; /* without it `agentctl run` does not work as root */
	char text[300];
	char hint[300]; /* what to do about it; empty: nothing */
};

#define CHECKS_MAX 40

struct checks {
	struct check list[CHECKS_MAX];
	size_t n;
};

/* Adds one; text as printf. */
struct check *check_add(struct checks *c, const char *name, bool found, bool needed,
			const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void check_hint(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* doctor_kernel.c: version, namespaces, Landlock, audit, seccomp, cgroups */
void doctor_kernel(struct checks *c);
/* doctor_net.c: the daemon, and what it says of netfilter */
void doctor_net(struct checks *c);

#endif
