/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A document as text, with comments behind its lines. */
#ifndef AGENTFW_LEARN_PRINT_H
#define AGENTFW_LEARN_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "agentctl/learn/learned.h"

struct text {
	char *p;
	size_t n, room;
	bool failed;
};

void text_put(struct text *t, const char *bytes, size_t n);
void text_say(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Writes doc behind what is in ret, and finds the lines of what was learned. libyaml writes it, and
 * reads it again: a text that is not doc once more is an error. -EINVAL, -ENOMEM. */
int print_document(yaml_document_t *doc, const struct learned_all *all, struct text *ret);

#endif
