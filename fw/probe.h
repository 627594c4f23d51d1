/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this kernel can do for us: netfilter, tried out in a network namespace that nobody else
 * sees; the socket wall, on a cgroup that is made for it and goes at once. */
#ifndef AGENTFW_PROBE_H
#define AGENTFW_PROBE_H

#include <stdio.h>

#include "policy/base/err.h"

/* A line each: the name of a feature (agentctl/check/doctor_net.c knows them) and "yes" or why not.
 */
int probe_print(FILE *to, struct err *e);

#endif
