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
	/* What it says of other users and of root's places counts: the caller is who we are, or it
	 * is root's alone (roots.h). */
	bool of_root;
};

/* Reads, compiles and opens path (NULL: ./agentfw.yaml, /etc/agentfw/policy.yaml), with the rights
 * of the caller; in /etc/agentfw with root's. Everything that is wrong with the policy has been
 * printed when it returns -EINVAL with e->code 0. */
int policy_file_load(const char *path, struct policy_file *ret, struct err *e);
/* May a command run as uid, called user, by this policy? -EPERM: it is another than the caller, and
 * the policy not root's. */
int policy_file_runs_as(const struct policy_file *f, uid_t uid, const char *user, struct err *e);
/* Prints what was found in it, with the lines. */
void policy_file_show(const struct policy_file *f, const struct diags *d);
void policy_file_done(struct policy_file *f);
/* What runs as somebody else, by a policy of root's, is limited and recorded as that says: -EPERM
 * where the caller wants audit mode or another log. */
int policy_file_obeys(const struct policy_file *f, bool audit, const char *log_dir, struct err *e);
/* A sealed memfd that holds the blob, as the daemon takes it; the caller's to close. */
int policy_memfd(const void *blob, size_t bytes, struct err *e);

#endif
