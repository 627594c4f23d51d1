/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan allows at one path, which is absolute and has no links in it. */
#ifndef AGENTFW_JUDGE_H
#define AGENTFW_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

struct plan;

/* Which of the rights (policy/base/rights.h) a box of this plan refuses for a path. */
uint32_t judge(const struct plan *p, const char *path, uint32_t rights);
/* Could it be mapped as a library? */
bool judge_maps(const struct plan *p, const char *path);
/* Is it inside a directory that is empty in each box at first? The host's files are not in it. */
bool judge_private(const struct plan *p, const char *path);
/* The same for making or removing path: RIGHT_WRITE, if its directory may not be written. */
uint32_t judge_name(const struct plan *p, const char *path);

#endif
