/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A policy file: read, compiled, opened, and handed to the daemon. */
#ifndef AGENTFW_POLICY_FILE_H
#define AGENTFW_POLICY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

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
	/* It may name other users and root's places: it is root's alone (roots.h), or no other user
	 * called us. */
	bool of_root;
};

/* Reads, compiles and opens path (NULL: as policy_default). The caller's rights open it; in
 * /etc/agentfw also root's. -EINVAL with e->code 0: the errors of the policy have been printed. */
int policy_file_load(const char *path, struct policy_file *ret, struct err *e);
/* May a command run as uid, named user, by this policy? -EPERM: uid is not the caller's, and the
 * policy is not root's. */
int policy_file_runs_as(const struct policy_file *f, uid_t uid, const char *user, struct err *e);
/* Prints errors and warnings with the policy's lines. */
void policy_file_show(const struct policy_file *f, const struct diags *d);
void policy_file_done(struct policy_file *f);
/* -EPERM: by a policy of root's commands run as other users than the caller, and the caller asks
 * for audit mode or another log directory. Only the policy says how such commands are limited and
 * recorded. */
int policy_file_obeys(const struct policy_file *f, bool audit, const char *log_dir, struct err *e);
/* A sealed memfd of the blob for the daemon; the caller's to close. */
int policy_memfd(const void *blob, size_t bytes, struct err *e);

#endif
