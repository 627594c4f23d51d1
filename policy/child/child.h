/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work on a stranger's text (YAML) in a process that can do nothing else.
 *
 * agentctl and agentfwd mostly run as root, and anybody may have written the policy. So the program
 * forks; the child gives up everything that could do harm (drop.c), works, and answers. The caller
 * trusts the answer as little as the text: it has exactly one form (reply.h), its bytes are sealed
 * or copied before they are looked at, and a compiled policy is opened by the reader that checks
 * every offset (policy_open).
 *
 * The caller must have no other threads. Everything fails closed: a child that crashes, is killed,
 * takes too long or answers nonsense is an error that says so. */
#ifndef AGENTFW_POLICY_CHILD_H
#define AGENTFW_POLICY_CHILD_H

#include "policy/policy.h"

/* More text than this is no policy; reading the file stops there. */
#define POLICY_TEXT_MAX (128u << 20)

/* The result of the work. bytes: malloc'd in the child, mapped read-only for the caller. */
struct child_answer {
	int result; /* 0, or -errno; then there are no bytes */
	struct diags diags;
	struct err err; /* code 0: diags have the errors */
	void *bytes;
	size_t n_bytes;
};

/* Runs in the child: fills in the answer, which is zeroed. */
typedef void child_work(void *arg, struct child_answer *a);

struct child_job {
	const char *what; /* "compiling 'FILE'": for messages */
	child_work *work;
	void *arg;
	size_t text_bytes; /* how much there is to read: more text may take longer */
};

/* 0: the work was done, and *ret is its answer, for child_answer_done. Otherwise e says how the
 * child failed, and *ret is empty. */
int child_run(const struct child_job *job, struct child_answer *ret, struct err *e);
void child_answer_done(struct child_answer *a);
/* The bytes of an answer that were taken out of it. */
void child_unmap(void *bytes, size_t n);

/* policy_compile in a child. 0: *ret_blob is for child_unmap. -EINVAL with d->n_errors: what is
 * wrong with the policy is in *d. Every other failure is in e. d is initialised by the call. */
int policy_compile_apart(const char *file_name, const char *text, size_t len, struct diags *d,
			 void **ret_blob, size_t *ret_bytes, struct err *e);

#endif
