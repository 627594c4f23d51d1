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

/* Reads, compiles and opens path (NULL: as policy_default). -EINVAL with e->code 0: the errors of
 * the policy have been printed. */
int policy_file_load(const char *path, struct policy_file *ret, struct err *e);
/* Prints errors and warnings with the policy's lines. */
void policy_file_show(const struct policy_file *f, const struct diags *d);
void policy_file_done(struct policy_file *f);
/* A sealed memfd of the blob for the daemon; the caller's to close. */
int policy_memfd(const void *blob, size_t bytes, struct err *e);

#endif
