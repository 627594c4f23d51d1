// SPDX-License-Identifier: GPL-2.0-or-later
/* agentctl policy learn. */
#include "agentctl/learn/learn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/confine/plan.h"
#include "agentctl/confine/user.h"
#include "agentctl/daemon/log_place.h"
#include "agentctl/daemon/policy_file.h"
#include "agentctl/learn/files.h"
#include "agentctl/learn/log.h"
#include "agentctl/learn/yaml.h"
#include "policy/base/caller.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/child/child.h"
#include "policy/policy.h"

struct learning {
	const struct learn_wish *w;
	struct policy_file base;
	struct seen_all seen;
	struct proposals files[1 + SEEN_TOOLS_MAX];
};

/* Both with the caller's rights: the log chooses the path, and the answer is printed. */
static bool exists(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The policy that held when the log was written: what it allowed was not logged. */
static int find_base(struct learning *l, struct err *e)
{
	if (l->base.policy || !l->seen.policy)
		return 0;
	if (l->seen.policies) {
		err_set(e, EINVAL, "there are runs of several policies in this log");
		return err_hint(e, "name one with -p POLICY, or a run with --fence NAME");
	}
	return policy_file_load(l->seen.policy, &l->base, e);
}

static int propose(struct learning *l, struct err *e)
{
	static struct plan who;
	struct err none;
	struct learn_host host = {.exists = exists, .is_directory = is_directory};
	const char *user = l->base.policy ? policy_agent_user(l->base.policy) : NULL;
	struct rights_lent lent;
	int r;

	/* whose home must not be proposed as a whole */
	host.home = user_find(&who, user, &none) == 0 ? who.home : "/root";
	r = rights_of_caller(&lent, e);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < l->seen.n; i++)
		r = learn_files(&l->seen.by[i], &host, &l->files[i]);
	rights_back(&lent);
	return r < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

/* Comments: whatever was called so by others stays within its line. */
static void head(const struct learning *l, const char *file, char *ret, size_t bytes)
{
	char shown[2 * PATH_MAX], fence[200] = "";
	size_t n;

	if (l->w->fence)
		str_escape(fence, sizeof(fence), l->w->fence, strlen(l->w->fence));
	str_escape(shown, sizeof(shown), file, strlen(file));
	n = (size_t)snprintf(ret, bytes,
			     "# Proposed by agentctl policy learn, from %s\n"
			     "# (%s%s%zu run%s). It allows what was done there in audit "
			     "mode, wanted or not: read it\n"
			     "# before you use it. Behind each entry: how often.\n",
			     shown, fence, fence[0] ? ", " : "", l->seen.fences,
			     l->seen.fences == 1 ? "" : "s");
	if (l->base.path)
		str_escape(shown, sizeof(shown), l->base.path, strlen(l->base.path));
	if (l->base.path && n < bytes)
		n += (size_t)snprintf(ret + n, bytes - n,
				      "# What held then is kept, without its comments: %s\n"
				      "# Relative paths count from the directory of the file.\n",
				      shown);
	if (l->seen.lost && n < bytes)
		snprintf(ret + n, bytes - n,
			 "# The log lacks %llu refusals: what they were is not in here.\n",
			 (unsigned long long)l->seen.lost);
}

/* libyaml writes no control characters, but a child that was taken over could. */
static bool printable(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ||
		    (c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] < 0xa0))
			return false;
	}
	return true;
}

/* Compiles the text: only a valid policy is printed. */
static int check(const char *text, size_t len, const char *path, struct err *e)
{
	struct diags d;
	void *blob = NULL;
	size_t bytes = 0;
	int r = policy_compile_apart(path, text, len, &d, &blob, &bytes, e);

	if (r < 0 && d.n) {
		const struct diag *x = &d.list[0];

		for (size_t i = 0; i < d.n && x->warning; i++)
			x = &d.list[i];
		err_set(e, EINVAL, "what was learned makes no policy: line %u: %s", x->line,
			x->msg);
		err_hint(e, "%s", x->hint);
	} else if (r < 0) {
		err_prefix(e, "what was learned makes no policy");
	} else if (!printable(text, len)) {
		r = err_set(e, EINVAL, "what was learned has control characters in it");
	}
	diags_done(&d);
	child_unmap(blob, bytes);
	return r;
}

/* ---- the text, in a child: what held, and what the log suggests, are YAML of others ---------- */

struct writing_of {
	const struct learning *l;
	const char *top;
};

static const char *file_of(const struct learning *l)
{
	return l->base.path ? l->base.path : "/policy.yaml";
}

static void write_policy(void *arg, struct child_answer *a)
{
	const struct writing_of *w = arg;
	const struct policy_file *base = &w->l->base;
	char *text;

	a->result = learn_policy(base->text ? base->text : "", base->text_bytes, file_of(w->l),
				 &w->l->seen, w->l->files, w->top, &text, &a->err);
	if (a->result == 0) {
		a->bytes = text;
		a->n_bytes = strlen(text);
	}
}

static int print_policy(const struct learning *l, const char *top, struct err *e)
{
	struct writing_of w = {l, top};
	struct child_answer a;
	int r = child_run(&(struct child_job){.what = "writing what was learned",
					      .work = write_policy,
					      .arg = &w,
					      .text_bytes = l->base.text_bytes},
			  &a, e);

	if (r == 0 && (r = a.result) < 0)
		*e = a.err;
	if (r == 0)
		r = check(a.bytes, a.n_bytes, file_of(l), e);
	if (r == 0)
		fwrite(a.bytes, 1, a.n_bytes, stdout);
	child_answer_done(&a);
	return r;
}

static int read_record(struct learning *l, char *file, size_t bytes, struct err *e)
{
	const struct policy_file *base = l->base.policy ? &l->base : NULL;
	_cleanup_close_ int fd = -1;
	struct log_place log;
	int r = log_place_find(&log, l->w->log_dir, base, true, e);

	if (r < 0)
		return r;
	snprintf(file, bytes, "%s/events.jsonl", log.path);
	fd = log_place_events(&log, e);
	log_place_done(&log);
	if (fd == -EACCES && geteuid() != 0)
		return err_hint(e, "the record belongs to root: sudo agentctl policy learn …");
	if (fd == -ENOENT)
		return err_hint(e, "run the command in audit mode first (agentctl run --audit), or "
				   "name the directory with --log-dir DIR");
	return fd < 0 ? fd : seen_read(fd, file, l->w->fence, l->base.path, &l->seen, e);
}

static int learn_from(struct learning *l, struct err *e)
{
	char file[CTL_PATH_MAX + 32], top[5 * PATH_MAX];
	int r = l->w->policy ? policy_file_load(l->w->policy, &l->base, e) : 0;

	if (r < 0 || (r = read_record(l, file, sizeof(file), e)) < 0)
		return r;
	if (!l->seen.policy) {
		err_set(e, ENOENT, "'%s' has nothing that would have been refused%s%s", file,
			l->w->fence ? " in " : "", l->w->fence ? l->w->fence : "");
		return err_hint(e, "run the command in audit mode first: agentctl run --audit …");
	}
	if ((r = find_base(l, e)) < 0 || (r = propose(l, e)) < 0)
		return r;
	head(l, file, top, sizeof(top));
	return print_policy(l, top, e);
}

int learn(const struct learn_wish *w, struct err *e)
{
	static struct learning l;
	int r;

	l = (struct learning){.w = w};
	r = learn_from(&l, e);
	for (size_t i = 0; i < l.seen.n; i++)
		proposals_done(&l.files[i]);
	seen_done(&l.seen);
	policy_file_done(&l.base);
	return r;
}
