/* What this kernel's netfilter can do for us, tried out in a network namespace that nobody else
 * sees. */
#ifndef AGENTFW_PROBE_H
#define AGENTFW_PROBE_H

#include <stdio.h>

#include "policy/base/err.h"

/* A line each: the name of a feature (agentctl/cmd_doctor.c knows them) and "yes" or why not. */
int probe_print(FILE *to, struct err *e);

#endif
