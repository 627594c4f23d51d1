// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/daemon/policy_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/daemon/policy_default.h"
#include "agentctl/daemon/roots.h"
#include "policy/base/caller.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/child/child.h"
#include "policy/policy.h"
#include "policy/profile.h"

static int cannot_open(const char *path, int code, struct err *e)
{
	char here[PATH_MAX];

	err_set(e, code, "cannot open '%s': %s", path, strerror(code));
	if (code == EACCES && caller_is_another())
		caller_hint(e);
	else if (code == EACCES)
		err_hint(e, "whoever runs agentctl must be able to read it: chmod, or sudo");
	else if (code == ENOENT && path[0] != '/' && getcwd(here, sizeof(here)))
		err_hint(e, "is the name right? it counts from %.400s", here);
	else if (code == ENOENT || code == ENOTDIR)
		err_hint(e, "is the name right?");
	return -code;
}

/* Opens with root's rights a policy that root keeps for itself. */
static int open_roots(const char *path)
{
	_cleanup_close_ int fd = caller_is_another() && roots_below(path, ROOTS_POLICIES)
				     ? roots_open(path, O_RDONLY | O_NONBLOCK, false)
				     : -1;
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? steal_fd(&fd) : -1;
}

/* The caller's rights look up where links lead, too: a message names the place. */
static int open_file(struct policy_file *f, const char *path, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct rights_lent lent;
	char real[PATH_MAX];
	int r = rights_of_caller(&lent, e), code = 0;

	if (r < 0)
		return r;
	if (!path)
		r = policy_default(&path, &fd, e);
	if (r == 0 && fd < 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		code = errno;
	}
	if (r == 0)
		f->path = strdup(realpath(path, real) ? real : path);
	rights_back(&lent);
	if (r < 0)
		return r == -EACCES ? caller_hint(e) : r;
	if (!f->path)
		return err_set(e, ENOMEM, "out of memory");
	if (fd < 0 && code == EACCES)
		fd = open_roots(path);
	if (fd < 0)
		return cannot_open(f->path, code, e);
	f->of_root = !caller_is_another() || roots_is(f->path, fd);
	return steal_fd(&fd);
}

static int read_text(struct policy_file *f, const char *path, struct err *e)
{
	_cleanup_close_ int fd = open_file(f, path, e);
	_cleanup_fclose_ FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
	size_t room = 0;

	if (fd < 0)
		return fd;
	if (!in)
		return err_set(e, errno, "cannot read '%s': %s", f->path, strerror(errno));
	steal_fd(&fd); /* fclose closes it */
	while (!feof(in) && !ferror(in) && f->text_bytes < POLICY_TEXT_MAX) {
		if (f->text_bytes == room) {
			char *more = realloc(f->text, room = room ? room * 2 : 65536);

			if (!more)
				return err_set(e, ENOMEM, "out of memory");
			f->text = more;
		}
		f->text_bytes += fread(f->text + f->text_bytes, 1, room - f->text_bytes, in);
	}
	if (ferror(in)) {
		int code = errno ? errno : EIO;

		err_set(e, code, "cannot read '%s': %s", f->path, strerror(code));
		return code == EISDIR ? err_hint(e, "name the policy file in it") : -code;
	}
	if (f->text_bytes >= POLICY_TEXT_MAX) {
		err_set(e, EFBIG, "'%s' is over 128 MB", f->path);
		return err_hint(e, "is it a policy?");
	}
	return 0;
}

/* The line of the policy with a caret below the place. */
static void show_line(const struct policy_file *f, const struct diag *d)
{
	const char *p = f->text, *end = f->text + f->text_bytes, *nl;
	char shown[400];

	for (unsigned i = 1; i < d->line && p; i++) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	if (!p || p >= end)
		return;
	nl = memchr(p, '\n', (size_t)(end - p));
	str_escape(shown, sizeof(shown), p, (size_t)((nl ? nl : end) - p));
	if (strlen(shown) < 160 && d->col < 160)
		fprintf(stderr, "    %s\n    %*s^\n", shown, (int)d->col - 1, "");
}

void policy_file_show(const struct policy_file *f, const struct diags *d)
{
	char shown[4 * sizeof(d->list->msg)];

	for (size_t i = 0; i < d->n; i++) {
		const struct diag *x = &d->list[i];

		fprintf(stderr, "%s:%u:%u: %s: %s\n", f->path, x->line, x->col,
			x->warning ? "warning" : "error", str_clean(shown, sizeof(shown), x->msg));
		show_line(f, x);
		if (x->hint[0])
			fprintf(stderr, "    hint: %s\n", str_clean(shown, sizeof(shown), x->hint));
	}
	if (d->left_out)
		fprintf(stderr, "%s: %zu more %s are not shown\n", f->path, d->left_out,
			d->n_errors ? "errors and warnings" : "warnings");
}

int policy_file_load(const char *path, struct policy_file *ret, struct err *e)
{
	struct policy_file f = {0};
	struct diags d;
	int r = read_text(&f, path, e);

	if (r == 0) {
		r = policy_compile_apart(f.path, f.text, f.text_bytes, &d, &f.blob, &f.blob_bytes,
					 e);
		policy_file_show(&f, &d);
		if (d.n_errors)
			e->code = 0;
		diags_done(&d);
	}
	if (r == 0)
		r = policy_open(f.blob, f.blob_bytes, &f.policy, e);
	if (r < 0) {
		policy_file_done(&f);
		return r;
	}
	*ret = f;
	return 0;
}

void policy_file_done(struct policy_file *f)
{
	policy_free(f->policy);
	child_unmap(f->blob, f->blob_bytes);
	free(f->text);
	free(f->path);
	*f = (struct policy_file){0};
}

int policy_file_runs_as(const struct policy_file *f, uid_t uid, const char *user, struct err *e)
{
	if (f->of_root || uid == caller_uid())
		return 0;
	err_set(e, EPERM,
		"user: '%s' is not the user who called sudo, and the policy is not root's", user);
	return err_hint(e, "leave `user` out; or let root keep the policy, where nobody else can "
			   "write: " ROOTS_POLICIES);
}

static bool is_other(const char *name)
{
	char *end;
	unsigned long uid = name ? strtoul(name, &end, 10) : 0;
	const struct passwd *pw = !name || !name[0]         ? NULL
				  : isdigit(*name) && !*end ? getpwuid((uid_t)uid)
							    : getpwnam(name);

	return pw && pw->pw_uid != caller_uid();
}

int policy_file_obeys(const struct policy_file *f, bool audit, const char *log_dir, struct err *e)
{
	bool others = is_other(policy_agent_user(f->policy));
	struct profile p;

	if (!caller_is_another() || !f->of_root || (!audit && !log_dir))
		return 0;
	for (size_t i = 1; !others && i < policy_profiles(f->policy); i++) {
		policy_profile(f->policy, i, &p);
		others = is_other(p.user);
	}
	if (!others)
		return 0;
	err_set(e, EPERM,
		"by this policy commands run as other users than the one who called sudo: no %s",
		audit ? "--audit" : "--log-dir");
	return err_hint(e, "the policy says `mode` and audit.dir");
}

int policy_memfd(const void *blob, size_t bytes, struct err *e)
{
	_cleanup_close_ int fd = memfd_create("agentfw-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;

	while (fd >= 0 && done < bytes) {
		ssize_t n = write(fd, (const char *)blob + done, bytes - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done < bytes ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return err_set(e, errno, "cannot hand over the policy: %s", strerror(errno));
	return steal_fd(&fd);
}
