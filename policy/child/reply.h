/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The child's answer to its caller, through a pipe: a head, the diagnostics, the end. Where a limit
 * of file size forbids the memfd, the bytes of the result stand before the end.
 *
 * The text may have taken the child over. So the answer has one form, of bounded size, and
 * everything in it is checked. The strings are the child's: whoever prints them escapes them. */
#ifndef AGENTFW_POLICY_CHILD_REPLY_H
#define AGENTFW_POLICY_CHILD_REPLY_H

#include "policy/child/child.h"

#define REPLY_MAGIC 0x61667763u

struct reply_head {
	uint32_t magic;
	int32_t result;
	uint32_t n_diags;  /* that follow */
	uint32_t err_code; /* 0: neither msg nor hint */
	uint64_t n_errors, left_out;
	uint64_t n_bytes; /* in the memfd, or in the pipe behind the diagnostics */
	char msg[sizeof(((struct err *)0)->msg)];
	char hint[sizeof(((struct err *)0)->hint)];
};

struct reply_diag {
	uint32_t line, col;
	uint32_t warning; /* 0, 1 */
	char msg[sizeof(((struct diag *)0)->msg)];
	char hint[sizeof(((struct diag *)0)->hint)];
};

#define REPLY_MAX (sizeof(struct reply_head) + DIAGS_MAX * sizeof(struct reply_diag))

/* The child's side. false: it could not be sent whole. */
bool reply_send(int fd, const struct child_answer *a);
/* Exactly one reply in n bytes. *ret: all but its bytes, for child_answer_done; n_bytes is what the
 * child says. 0, -EBADMSG, -ENOMEM. */
int reply_read(const void *p, size_t n, struct child_answer *ret);

/* n_bytes of the reply at p, as the child wrote it, unchecked; 0: not even the head is there. */
uint64_t reply_bytes(const void *p, size_t n);

#endif
