/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work on a stranger's text (YAML) in a process that can do nothing else.
 *
 * Who runs agentctl and agentfwd is root as a rule, and who wrote the policy may be anybody. So the
 * program that is called forks; the child gives up all that it could do harm with (drop.c), works,
 * and answers. Who called it believes the answer as little as the text: it has exactly one form
 * (reply.h), its bytes are sealed before they are looked at, and a compiled policy is opened by the
 * reader that checks every offset (policy_open).
 *
 * No threads may run in the process that calls. Everything fails closed: a child that crashes, is
 * killed, takes too long or answers nonsense is an error that says so. */
#ifndef AGENTFW_POLICY_CHILD_H
#define AGENTFW_POLICY_CHILD_H

#include "policy/policy.h"

/* More text than this is no policy. Who reads the file for the child stops there. */
#define POLICY_TEXT_MAX (128u << 20)

/* What the work comes to. In the child, bytes are malloc'd; for who called it they are mapped and
 * read-only. */
struct child_answer {
	int result; /* 0, or -errno; then there are no bytes */
	struct diags diags;
	struct err err; /* code 0: diags say it all */
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
 * wrong with the policy is in *d. Every other failure: e says it. d is initialised by the call. */
int policy_compile_apart(const char *file_name, const char *text, size_t len, struct diags *d,
			 void **ret_blob, size_t *ret_bytes, struct err *e);

#endif
