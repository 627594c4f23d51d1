// SPDX-License-Identifier: GPL-2.0-or-later

#include "agentctl/check/profile_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/box/box.h"
#include "agentctl/box/companions.h"
#include "agentctl/box/files.h"
#include "agentctl/confine/elf_needs.h"
#include "agentctl/confine/libraries.h"
#include "agentctl/confine/namespaces.h"
#include "agentctl/confine/plan.h"
#include "agentctl/confine/user.h"
#include "agentctl/daemon/client.h"
#include "agentctl/daemon/policy_file.h"
#include "agentctl/guard/guard.h"
#include "policy/base/caller.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/path.h"
#include "policy/base/rights.h"
#include "policy/policy.h"
#include "policy/profile.h"

#define LIBRARIES_MAX 512 /* of one program, the libraries' own included */

struct check {
	const struct policy *policy;
	const char *path; /* of its file */
	bool of_root;
	size_t index;
	struct profile profile;
	struct plan plan; /* whose home "~" is */
	struct library_dirs *libs;
	char workspace[PATH_MAX];
	struct diags *d;
	bool no_memory;
};

enum weight {
	WRONG = 0,
	DOUBTFUL /* a warning: it works, but hardly as it is meant */
};

static void __attribute__((format(printf, 6, 7)))
found(struct check *c, enum weight weight, unsigned line, unsigned col, const char *hint,
      const char *fmt, ...)
{
	struct diags *d = c->d;
	struct diag *to;
	va_list ap;

	d->n_errors += weight == WRONG;
	if (d->n >= DIAGS_MAX) {
		d->left_out++;
		return;
	}
	to = reallocarray(d->list, d->n + 1, sizeof(*to));
	if (!to) {
		c->no_memory = true;
		return;
	}
	d->list = to;
	to += d->n++;
	*to = (struct diag){.line = line, .col = col, .warning = weight == DOUBTFUL};
	va_start(ap, fmt);
	vsnprintf(to->msg, sizeof(to->msg), fmt, ap);
	va_end(ap);
	snprintf(to->hint, sizeof(to->hint), "%s", hint ? hint : "");
}

/* Where the path of the policy leads; 0, or an errno. */
static int look_up(const struct check *c, const char *path, char *ret)
{
	char text[PATH_MAX];

	if (box_path(&c->plan, c->workspace, path, text, sizeof(text), NULL) < 0)
		return ENAMETOOLONG;
	return realpath(text, ret) ? 0 : errno;
}

/* Is path, a real one, in the list of this right? */
static bool named(const struct check *c, enum right right, const char *path)
{
	for (size_t i = 0; i < c->profile.n_paths; i++) {
		struct profile_path p;
		char real[PATH_MAX];

		profile_path(c->policy, c->index, i, &p);
		if (p.right == right && look_up(c, p.path, real) == 0 && path_below(path, real))
			return true;
	}
	return false;
}

struct part_search {
	const char *path;
	bool found;
};

static void compare_part(const char *real, enum part part, void *arg)
{
	struct part_search *s = arg;

	s->found |= part != PART_READ && path_below(s->path, real);
}

/* Can it be mapped: by an entry of the profile, or as a part that a named program brings? */
static bool maps(const struct check *c, const char *path)
{
	struct part_search s = {.path = path};

	if (named(c, RIGHT_EXEC, path))
		return true;
	for (size_t i = 0; i < c->profile.n_paths && !s.found; i++) {
		struct profile_path p;
		char real[PATH_MAX];

		profile_path(c->policy, c->index, i, &p);
		if (p.right == RIGHT_EXEC && look_up(c, p.path, real) == 0)
			companions(real, compare_part, &s);
	}
	return s.found;
}

/* ---- libraries ------------------------------------------------------------------------------- */

struct libraries {
	struct check *c;
	const struct profile_path *program;
	char **path; /* those found, in the order in which their own needs are looked at */
	size_t n;
	size_t at; /* 0: the program itself */
	char runpath[PATH_MAX];
};

static const char *current(const struct libraries *l, const char *program)
{
	return l->at ? l->path[l->at - 1] : program;
}

/* Is there a DIR/NAME? Then its own needs are looked at, too. */
static bool library_take(struct libraries *l, const char *dir, const char *name)
{
	char text[PATH_MAX], real[PATH_MAX];

	if ((size_t)snprintf(text, sizeof(text), "%s/%s", dir, name) >= sizeof(text) ||
	    !realpath(text, real))
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->path[i], real) == 0)
			return true;
	if (l->n < LIBRARIES_MAX && (l->path[l->n] = strdup(real)))
		l->n++;
	return true;
}

/* Is the library in one of the directories that the file itself names? */
static bool in_runpath(struct libraries *l, const char *name, char *ret_dir)
{
	char list[PATH_MAX], *save = NULL;

	snprintf(list, sizeof(list), "%s", l->runpath);
	for (char *dir = strtok_r(list, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		char own[PATH_MAX], text[PATH_MAX], real[PATH_MAX], *slash;

		snprintf(own, sizeof(own), "%s", current(l, l->program->path));
		slash = strrchr(own, '/');
		if (slash)
			*slash = '\0';
		if (strncmp(dir, "$ORIGIN", 7) == 0)
			snprintf(text, sizeof(text), "%.2000s%.2000s", own, dir + 7);
		else
			snprintf(text, sizeof(text), "%.4000s", dir);
		if (realpath(text, real) && library_take(l, real, name)) {
			snprintf(ret_dir, PATH_MAX, "%s", real);
			return true;
		}
	}
	return false;
}

static bool in_library_dirs(struct libraries *l, const char *name)
{
	for (size_t i = 0; i < l->c->libs->n; i++)
		if (library_take(l, l->c->libs->path[i], name))
			return true;
	return false;
}

static void need(void *arg, const char *name, bool path)
{
	struct libraries *l = arg;
	char dir[PATH_MAX], hint[PATH_MAX + 64];

	if (path) {
		snprintf(l->runpath, sizeof(l->runpath), "%s", name);
		return;
	}
	if (strchr(name, '/'))
		return; /* a path: it is where the program says */
	if (in_runpath(l, name, dir)) {
		char file[PATH_MAX];

		for (size_t i = 0; i < l->c->libs->n; i++)
			if (strcmp(l->c->libs->path[i], dir) == 0)
				return;
		snprintf(file, sizeof(file), "%.2000s/%.1000s", dir, name);
		if (maps(l->c, file) || maps(l->c, dir))
			return;
		snprintf(hint, sizeof(hint), "add %.300s to exec", dir);
		found(l->c, WRONG, l->program->line, l->program->col, hint,
		      "%s needs the library %.100s in %.200s, from where nothing can be mapped",
		      l->program->path, name, dir);
	} else if (!in_library_dirs(l, name)) {
		found(l->c, WRONG, l->program->line, l->program->col,
		      "is it installed? ldconfig -p lists what the loader finds",
		      "%s needs the library %.100s, which is in none of the library directories",
		      l->program->path, name);
	}
}

static void check_libraries(struct check *c, const struct profile_path *p, const char *program)
{
	struct profile_path shown = *p;
	struct libraries l = {.c = c, .program = &shown};

	l.path = calloc(LIBRARIES_MAX, sizeof(*l.path));
	if (!l.path) {
		c->no_memory = true;
		return;
	}
	for (l.at = 0; l.at <= l.n; l.at++) {
		const char *file = current(&l, program);

		shown.path = l.at ? p->path : program;
		l.runpath[0] = '\0';
		elf_needs(file, need, &l);
	}
	for (size_t i = 0; i < l.n; i++)
		free(l.path[i]);
	free(l.path);
}

/* ---- programs -------------------------------------------------------------------------------- */

static void check_script(struct check *c, const struct profile_path *p, const char *program,
			 char *line)
{
	char *save, *interpreter, hint[PATH_MAX + 64], real[PATH_MAX];

	line[strcspn(line, "\n")] = '\0';
	interpreter = strtok_r(line + 2, " \t", &save);
	if (!interpreter || !realpath(interpreter, real)) {
		found(c, WRONG, p->line, p->col, "install it",
		      "%s is a script for '%.100s', which is not there", p->path,
		      interpreter ? interpreter : "");
		return;
	}
	if (named(c, RIGHT_EXEC, real))
		return;
	snprintf(hint, sizeof(hint), "add it to exec: {path: %.200s, broad: true}", interpreter);
	found(c, WRONG, p->line, p->col, hint, "%s is a script for %.200s, which is not in exec",
	      p->path, interpreter);
}

static void check_elf(struct check *c, const struct profile_path *p, const char *program)
{
	char loader[PATH_MAX], real[PATH_MAX], hint[PATH_MAX + 64];

	if (library_loader(program, loader, sizeof(loader)) < 0) {
		found(c, WRONG, p->line, p->col,
		      "a script begins with #! and the path of its interpreter",
		      "%s is neither a program of this machine nor a script", p->path);
		return;
	}
	if (!loader[0])
		return; /* static */
	if (!realpath(loader, real)) {
		found(c, WRONG, p->line, p->col, "install what it was built for: a libc",
		      "%s needs the loader %.200s, which is not there", p->path, loader);
		return;
	}
	if (strcmp(real, c->libs->loader) != 0 && !named(c, RIGHT_EXEC, real)) {
		snprintf(hint, sizeof(hint), "add it to exec: {path: %.200s, broad: true}", loader);
		found(c, WRONG, p->line, p->col, hint,
		      "%s needs the loader %.200s, which is not in exec", p->path, loader);
		return;
	}
	check_libraries(c, p, program);
}

static void check_program(struct check *c, const struct profile_path *p, const char *program)
{
	_cleanup_close_ int fd = open(program, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char head[SHEBANG_MAX + 1];
	struct stat st;
	ssize_t n;

	if (stat(program, &st) < 0 || S_ISDIR(st.st_mode))
		return; /* a directory: every program below it */
	if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111)) {
		found(c, WRONG, p->line, p->col, "chmod +x, or name the program",
		      "%s is no program: it cannot be executed", p->path);
		return;
	}
	n = fd < 0 ? 0 : read(fd, head, SHEBANG_MAX);
	if (n <= 0)
		return; /* not for us to read */
	head[n] = '\0';
	if (n > 2 && head[0] == '#' && head[1] == '!')
		check_script(c, p, program, head);
	else
		check_elf(c, p, program);
}

/* The name of a profile that may write path, other than this one; NULL: none. */
static const char *writer_of(const struct check *c, const char *path)
{
	for (size_t i = 0; i < policy_profiles(c->policy); i++) {
		struct check other = {.policy = c->policy, .index = i, .plan.home = ""};

		if (i == c->index)
			continue;
		policy_profile(c->policy, i, &other.profile);
		snprintf(other.plan.home, sizeof(other.plan.home), "%s", c->plan.home);
		snprintf(other.workspace, sizeof(other.workspace), "%s", c->workspace);
		if (named(&other, RIGHT_WRITE, path))
			return other.profile.name ? other.profile.name : "agent";
	}
	return NULL;
}

/* A profile that may write a program decides what runs in this box, with its files and network. */
static void check_writers(struct check *c, const struct profile_path *p, const char *program)
{
	const char *writer = p->broad || c->profile.broad ? NULL : writer_of(c, program);

	if (writer)
		found(c, DOUBTFUL, p->line, p->col,
		      "if that is meant: {path: ..., broad: true}, or broad: true of the tool",
		      "'%s' may write %.250s: it decides what runs here", writer, p->path);
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* The first word of a tool's command is one of its programs. */
static bool is_command(const struct check *c, const struct profile_path *p)
{
	return p->right == RIGHT_EXEC && c->profile.n_command &&
	       strcmp(profile_command(c->policy, c->index, 0), p->path) == 0;
}

static void check_path(struct check *c, const struct profile_path *p)
{
	char real[PATH_MAX], hint[PATH_MAX + 64];
	int r = look_up(c, p->path, real);

	if (r == EACCES || (r == ENOENT && p->optional))
		return;
	if (r == ENOENT && is_command(c, p)) {
		found(c, WRONG, p->line, p->col, "install it, or name the program that is there",
		      "command: %.300s is not there", p->path);
	} else if (r == ENOENT) {
		snprintf(hint, sizeof(hint), "%s, or write {path: %.300s, optional: true}",
			 p->right == RIGHT_EXEC ? "install it" : "make it", p->path);
		found(c, WRONG, p->line, p->col, hint, "%s: %.300s is not there",
		      profile_list(p->right), p->path);
	} else if (r) {
		found(c, WRONG, p->line, p->col, NULL, "%s: %.300s: %s", profile_list(p->right),
		      p->path, strerror(r));
	} else if (p->right == RIGHT_EXEC) {
		if (named(c, RIGHT_WRITE, real))
			found(c, WRONG, p->line, p->col,
			      "what a tool can write it must not run: take one of the two out",
			      "%.300s may be written, too", p->path);
		else
			check_program(c, p, real);
		check_writers(c, p, real);
	} else if (p->right == RIGHT_WRITE && !named(c, RIGHT_READ, real)) {
		found(c, DOUBTFUL, p->line, p->col,
		      "add it to read, unless nothing there is ever read",
		      "%.300s may be written, but not read", p->path);
	}
}

static void check_cwd(struct check *c)
{
	char real[PATH_MAX];
	struct stat st;
	int r = c->profile.cwd ? look_up(c, c->profile.cwd, real) : EACCES;

	if (r == EACCES)
		return;
	if (r || stat(real, &st) < 0 || !S_ISDIR(st.st_mode))
		found(c, WRONG, c->profile.line, c->profile.col,
		      "make it, or name one that is there", "cwd: %.300s is no directory",
		      c->profile.cwd);
	else if (!named(c, RIGHT_READ, real) && !named(c, RIGHT_EXEC, real) &&
		 !files_are_private(real))
		found(c, DOUBTFUL, c->profile.line, c->profile.col, "add it to read",
		      "cwd: %.300s cannot be read in the box", c->profile.cwd);
}

/* "POLICY:LINE:COL: " before the message is where it belongs. */
static void place_of(const struct check *c, const struct err *e, unsigned *line, unsigned *col,
		     const char **ret_text)
{
	size_t n = strlen(c->path);
	int used = 0;

	*line = c->profile.line ? c->profile.line : 1;
	*col = c->profile.col ? c->profile.col : 1;
	*ret_text = e->msg;
	if (strncmp(e->msg, c->path, n) == 0 &&
	    sscanf(e->msg + n, ":%u:%u: %n", line, col, &used) == 2 && used)
		*ret_text = e->msg + n + used;
}

/* Plans the box as for a start: errors of the plan are errors of the policy. */
static void check_box(struct check *c)
{
	const char *user = c->profile.user ? c->profile.user : policy_agent_user(c->policy), *text;
	const struct box box = {.policy = c->policy,
				.profile = c->index,
				.policy_path = c->path,
				.of_root = c->of_root,
				.run_dir = client_run_dir(),
				.log_dir = policy_audit_dir(c->policy),
				.namespaces = namespaces_allowed(c->profile.best_effort)};
	struct plan plan = {0};
	struct guard *guard = NULL;
	unsigned line, col;
	struct err e = {0};

	/* a user that cannot be found here may be found by whoever starts the box */
	if (user_find(&plan, user, &e) == 0 && box_plan(&box, &plan, &guard, &e) < 0) {
		place_of(c, &e, &line, &col, &text);
		found(c, WRONG, line, col, e.hint[0] ? e.hint : NULL, "%s", text);
	}
	guard_free(guard);
	plan_done(&plan);
}

static void check_user(struct check *c)
{
	const char *name = c->profile.user ? c->profile.user : policy_agent_user(c->policy);
	const struct passwd *pw;
	char *end;

	if (name) {
		unsigned long uid = strtoul(name, &end, 10);

		pw = *end ? getpwnam(name) : getpwuid((uid_t)uid);
	} else {
		pw = getpwuid(caller_uid());
	}
	if (pw)
		snprintf(c->plan.home, sizeof(c->plan.home), "%s", pw->pw_dir);
	else if (name && (c->profile.user || c->index == PROFILE_AGENT))
		found(c, WRONG, c->profile.line ? c->profile.line : 1,
		      c->profile.col ? c->profile.col : 1,
		      "make that user, or name one that is there: getent passwd",
		      "user: there is no user '%.64s'", name);
}

static void check_profile(struct check *c)
{
	size_t errors = c->d->n_errors;
	char text[PATH_MAX];

	check_user(c);
	if (box_path(&c->plan, "", c->profile.workspace, text, sizeof(text), NULL) < 0 ||
	    !realpath(text, c->workspace))
		snprintf(c->workspace, sizeof(c->workspace), "%s", text);
	for (size_t i = 0; i < c->profile.n_paths; i++) {
		struct profile_path p;

		profile_path(c->policy, c->index, i, &p);
		check_path(c, &p);
	}
	check_cwd(c);
	if (c->d->n_errors == errors && c->profile.confined)
		check_box(c);
}

int profile_check(const struct policy_file *f, struct diags *d)
{
	const struct policy *p = f->policy;
	_cleanup_free_ struct library_dirs *libs = calloc(1, sizeof(*libs));
	_cleanup_free_ struct check *c = calloc(1, sizeof(*c));

	if (!libs || !c)
		return -ENOMEM;
	library_dirs(libs);
	for (size_t i = 0; i < policy_profiles(p); i++) {
		*c = (struct check){.policy = p,
				    .path = f->path,
				    .of_root = f->of_root,
				    .index = i,
				    .libs = libs,
				    .d = d};
		policy_profile(p, i, &c->profile);
		check_profile(c);
		if (c->no_memory)
			return -ENOMEM;
	}
	return 0;
}
