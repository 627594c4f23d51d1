/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this kernel can do for us. netfilter is tried in a network namespace of its own, and the
 * socket wall on a cgroup that is removed at once. */
#ifndef AGENTFW_PROBE_H
#define AGENTFW_PROBE_H

#include <stdio.h>

#include "policy/base/err.h"

/* Prints a line per feature: its name, which agentctl/check/doctor_net.c knows, and "yes" or why
 * not. */
int probe_print(FILE *to, struct err *e);

#endif
