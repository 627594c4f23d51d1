/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan as a person reads it. */
#ifndef AGENTFW_PLAN_PRINT_H
#define AGENTFW_PLAN_PRINT_H

#include <stdio.h>

struct plan;

/* A line for each step; first what is done without. */
void plan_print(const struct plan *p, FILE *to);
/* What is done without: a line each. */
void plan_print_lacks(const struct plan *p, FILE *to);

#endif
