/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Output of a command on its way through us, where it is counted. */
#ifndef AGENTFW_OUTPUT_H
#define AGENTFW_OUTPUT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTPUT_BYTES 65536

struct output {
	int from, to;  /* from -1: no more comes */
	unsigned type; /* of to: S_IF… */
	char *buf;
	size_t at, have; /* not written yet */
};

/* ret_command: the end that the command gets, the caller's to close. 0 or -errno; output_close
 * also after an error. */
int output_open(struct output *o, int to, int *ret_command);
void output_close(struct output *o);
bool output_over(const struct output *o); /* no more comes, and all was written */
void output_poll(const struct output *o, struct pollfd pfd[2]);
/* After poll. left: how many more bytes are allowed; false: more came, and was dropped. */
bool output_step(struct output *o, const struct pollfd pfd[2], uint64_t *left);

#endif
