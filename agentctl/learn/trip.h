/* SPDX-License-Identifier: GPL-2.0-or-later */
/* There and back: is what was learned what the text says? */
#ifndef AGENTFW_LEARN_TRIP_H
#define AGENTFW_LEARN_TRIP_H

#include <stdbool.h>

#include "agentctl/learn/learned.h"
#include "policy/base/err.h"

/* To be called in a child. Compiles text (of the file of that name, which relative paths count
 * from) and compares: each entry has become the one rule of its line, each path the one path, with
 * the same right. *ret_left_out: some has not, which says so now (why_not); make the text without
 * it. -EINVAL with e: the text is no policy for another reason. */
int trip(const char *text, size_t len, const char *file, const struct learned_all *all,
	 bool *ret_left_out, struct err *e);

#endif
