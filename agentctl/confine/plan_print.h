/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan as a person reads it. */
#ifndef AGENTFW_PLAN_PRINT_H
#define AGENTFW_PLAN_PRINT_H

#include <stdio.h>

struct plan;

/* A line per step, behind plan_print_lacks. */
void plan_print(const struct plan *p, FILE *to);
/* A line for each thing that best_effort left out. */
void plan_print_lacks(const struct plan *p, FILE *to);

#endif
