/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fenced side of the broker (broker.h). */
#ifndef AGENTFW_BROKER_CLIENT_H
#define AGENTFW_BROKER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/* Is this process inside a fence? */
bool broker_needed(void);
/* Runs the tool with our standard streams. Returns its exit status, or -errno with e: it was not
 * started, or the fence has ended. */
int broker_call(const char *name, char *const *values, size_t n_values, struct err *e);

#endif
