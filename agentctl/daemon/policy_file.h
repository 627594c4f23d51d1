/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A policy file: read, compiled, opened, and handed to the daemon. */
#ifndef AGENTFW_POLICY_FILE_H
#define AGENTFW_POLICY_FILE_H

#include <stddef.h>

struct diags;
struct err;
struct policy;

struct policy_file { /* all of it is owned */
	char *path;  /* absolute */
	char *text;
	size_t text_bytes;
	void *blob; /* mapped, read-only */
	size_t blob_bytes;
	struct policy *policy;
};

/* Reads, compiles and opens path (NULL: ./agentfw.yaml, /etc/agentfw/policy.yaml). Everything that
 * is wrong with the policy has been printed when it returns -EINVAL with e->code 0. */
int policy_file_load(const char *path, struct policy_file *ret, struct err *e);
/* Prints what was found in it, with the lines. */
void policy_file_show(const struct policy_file *f, const struct diags *d);
void policy_file_done(struct policy_file *f);
/* A sealed memfd that holds the blob, as the daemon takes it; the caller's to close. */
int policy_memfd(const void *blob, size_t bytes, struct err *e);

#endif
