// SPDX-License-Identifier: GPL-2.0-or-later

#include "agentctl/guard/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agentctl/guard/listing.h"
#include "agentctl/guard/quarantine.h"
#include "agentctl/launch/launch.h"
#include "agentctl/launch/watched_fd.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/path.h"
#include "policy/profile.h"

#define DIRECTORIES_MAX 200000 /* a second or so */
#define DEEP_MAX        200    /* one open descriptor per level */
#define WATCHED_MAX     1024
#define TOLD_MAX        20
#define TRIES           50 /* names to move a place to, while the command runs; then it is killed */
#define TRIES_AT_END    100
#define MADE            (IN_CREATE | IN_MOVED_TO)

/* A place that was there when the box was made. */
struct known {
	char *path, *real;
	ino_t inode;
	size_t place;
};

/* A directory in which all protected places count: a writable place, or a repository in one. */
struct root {
	char *path;
	const char *only; /* the writable place in path to which the box is limited; NULL: none */
};

/* A root, or a directory in it on the way to a place. */
struct watched {
	int wd;
	size_t root;
	bool inner;
};

struct guard {
	bool open[PLACES_MAX];     /* the box may write them */
	bool may_come[PLACES_MAX]; /* some profile of the policy may make them */
	bool covered[PLACES_MAX];  /* they lie in a closed place */
	struct known *known;
	struct root *root;
	char **dir;
	struct watched *watched;
	size_t n_known, n_roots, n_dirs, n_watched;
	size_t looked_at;
	bool after; /* the command is about to run, runs, or has run */
	bool too_much, killed;
	struct timespec since;
	size_t found, told;
	const char *who;
	int inotify;
	struct launch *launch;
};

/* ---- what is protected here ------------------------------------------------------------------ */

static bool opened(const struct policy *policy, size_t profile, const struct protected_place *x)
{
	struct profile f;

	policy_profile(policy, profile, &f);
	for (size_t i = 0; i < f.n_unprotect; i++)
		if (protected_opened_by(x, profile_unprotect(policy, profile, i)))
			return true;
	return false;
}

struct guard *guard_new(const struct policy *policy, size_t profile)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g || protected_places_n > PLACES_MAX) {
		free(g);
		return NULL;
	}
	g->inotify = -1;
	clock_gettime(CLOCK_REALTIME_COARSE, &g->since);
	for (size_t i = 0; i < protected_places_n; i++) {
		const struct protected_place *x = &protected_places[i];

		g->open[i] = opened(policy, profile, x);
		for (size_t k = 0; k < policy_profiles(policy); k++)
			g->may_come[i] |= opened(policy, k, x);
		for (size_t k = 0; k < i; k++)
			g->covered[i] |= !g->open[k] && !g->may_come[k] &&
					 path_below(x->path, protected_places[k].path);
	}
	return g;
}

/* Room for one more in a list that doubles. */
static bool grow(void *list, size_t n, size_t each)
{
	void *p;

	if (n & (n - 1))
		return true;
	p = reallocarray(*(void **)list, n ? n * 2 : 1, each);
	if (p)
		*(void **)list = p;
	return p != NULL;
}

/* ---- what was there -------------------------------------------------------------------------- */

static struct known *find_known(const struct guard *g, const char *path)
{
	for (size_t i = 0; i < g->n_known; i++)
		if (strcmp(g->known[i].path, path) == 0)
			return &g->known[i];
	return NULL;
}

static void add_known(struct guard *g, size_t place, const char *path, const struct stat *st)
{
	char real[PATH_MAX];
	struct known k = {.inode = st->st_ino, .place = place};

	if (find_known(g, path))
		return;
	k.path = strdup(path);
	k.real = strdup(realpath(path, real) ? real : "");
	if (!k.path || !k.real || !grow(&g->known, g->n_known, sizeof(k))) {
		free(k.path);
		free(k.real);
		g->too_much = true;
		return;
	}
	g->known[g->n_known++] = k;
}

static void add_root(struct guard *g, const char *path, const char *only)
{
	struct root r = {.path = strdup(path), .only = only};

	if (!r.path || !grow(&g->root, g->n_roots, sizeof(r))) {
		free(r.path);
		g->too_much = true;
		return;
	}
	g->root[g->n_roots++] = r;
}

void guard_each(const struct guard *g, void (*fn)(const char *real, void *arg), void *arg)
{
	for (size_t i = 0; i < g->n_known; i++)
		if (g->known[i].real[0])
			fn(g->known[i].real, arg);
}

/* ---- what is new ----------------------------------------------------------------------------- */

static void tell_place(struct guard *g, const char *path, const char *what)
{
	char shown[1024];

	if (g->told++ < TOLD_MAX)
		fprintf(stderr, "agentctl: %s: %s: %s\n", g->who,
			str_escape(shown, sizeof(shown), path, strnlen(path, 250)), what);
}

static void is_new(struct guard *g, size_t place, int dirfd, const char *path)
{
	int r = quarantine(dirfd, protected_places[place].path, g->launch ? TRIES : TRIES_AT_END);

	g->found++;
	if (r == 0) {
		tell_place(g, path,
			   "made by the command, and others would obey it: its name now ends "
			   "with " QUARANTINE_SUFFIX);
	} else if (!g->launch) {
		tell_place(
		    g, path,
		    "made by the command, others would obey it, and it cannot be moved aside");
	} else if (g->launch->pid > 0 && !g->launch->over && !g->killed) {
		g->killed = true; /* what is left is moved at the end */
		launch_kill(g->launch);
	}
}

/* Does the path lead where it did? A file that was replaced from outside is no longer under its
 * read-only mount, which is told. */
static bool as_it_was(struct guard *g, const char *path, const struct stat *st)
{
	struct known *k = find_known(g, path);
	char real[PATH_MAX];

	if (!k || strcmp(realpath(path, real) ? real : "", k->real) != 0)
		return false;
	if (k->inode != st->st_ino && !S_ISDIR(st->st_mode)) {
		tell_place(g, path,
			   "replaced while the command ran, by it or by others: look at it");
		k->inode = st->st_ino;
	}
	return true;
}

static void look_at(struct guard *g, size_t place, int dirfd, const struct root *r)
{
	const char *relative = protected_places[place].path;
	char path[PATH_MAX];
	struct stat st;

	if (g->covered[place] || path_join(r->path, relative, path, sizeof(path)) < 0 ||
	    (r->only && !path_below(path, r->only)) ||
	    fstatat(dirfd, relative, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!g->after && !g->open[place])
		add_known(g, place, path, &st);
	else if (g->after && !g->may_come[place] && !as_it_was(g, path, &st))
		is_new(g, place, dirfd, path);
}

/* names: which of the places the directory may have; NULL: any. project: all places count, else
 * those of PROTECTED_ANYWHERE, unless there is a .git. Returns whether all counted. A .git that the
 * command made has been moved away before that is asked. */
static bool look_at_places(struct guard *g, int dirfd, const struct root *r, bool project,
			   const bool *names)
{
	struct stat st;

	for (size_t i = 0; i < protected_places_n; i++)
		if ((!names || names[i]) && protected_places[i].flags & PROTECTED_ANYWHERE)
			look_at(g, i, dirfd, r);
	project |= fstatat(dirfd, ".git", &st, AT_SYMLINK_NOFOLLOW) == 0;
	for (size_t i = 0; project && i < protected_places_n; i++)
		if ((!names || names[i]) && !(protected_places[i].flags & PROTECTED_ANYWHERE))
			look_at(g, i, dirfd, r);
	return project;
}

/* ---- looking through a place ----------------------------------------------------------------- */

/* A directory that changed during the run and cannot be opened could hold anything. */
static void closed_to_us(struct guard *g, int dirfd, const char *name, const char *path)
{
	struct stat st;

	if (g->after && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (st.st_ctim.tv_sec > g->since.tv_sec ||
	     (st.st_ctim.tv_sec == g->since.tv_sec && st.st_ctim.tv_nsec >= g->since.tv_nsec))) {
		g->found++;
		tell_place(g, path, "cannot be looked into any more");
	}
}

static int open_dir(int at, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_SYMLINKS};

	return (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
}

/* path has room for PATH_MAX bytes and is as before afterwards. */
static void look_through(struct guard *g, int at, const char *name, char *path, size_t deep)
{
	_cleanup_close_ int fd = open_dir(at, name);
	struct listing l = {.dirs = NULL};
	size_t n = strlen(path);
	const char *slash = path[n - 1] == '/' ? "" : "/";

	if (fd < 0) {
		closed_to_us(g, at, name, path);
		return;
	}
	if (++g->looked_at > DIRECTORIES_MAX || deep > DEEP_MAX || listing_read(fd, &l) < 0) {
		g->too_much = true;
		free(l.dirs);
		return;
	}
	if ((deep == 0 || l.any) &&
	    look_at_places(g, fd, &(struct root){.path = path}, deep == 0, l.names) && !g->after)
		add_root(g, path, NULL);
	for (const char *d = l.dirs; d && d < l.dirs + l.bytes && !g->too_much;
	     d += strlen(d) + 1) {
		if ((size_t)snprintf(path + n, PATH_MAX - n, "%s%s", slash, d) >= PATH_MAX - n)
			g->too_much = true;
		else
			look_through(g, fd, d, path, deep + 1);
		path[n] = '\0';
	}
	free(l.dirs);
}

static void look_at_root(struct guard *g, const struct root *r)
{
	_cleanup_close_ int fd = open_dir(AT_FDCWD, r->path);

	if (fd >= 0)
		look_at_places(g, fd, r, true, NULL);
}

/* Where the writable place ends as a protected path begins (.git, ~/.config), that path counts from
 * the directory above. */
static void add_above(struct guard *g, const char *dir)
{
	size_t all = strlen(dir);

	for (size_t i = 0; i < protected_places_n; i++) {
		const char *path = protected_places[i].path;

		for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
			size_t n = (size_t)(p - path);
			char above[PATH_MAX];

			if (all <= n || dir[all - n - 1] != '/' ||
			    strncmp(dir + all - n, path, n) != 0)
				continue;
			snprintf(above, sizeof(above), "%.*s", (int)(all - n - 1), dir);
			if (!above[0])
				snprintf(above, sizeof(above), "/");
			add_root(g, above, dir);
			look_at_root(g, &g->root[g->n_roots - 1]);
			return;
		}
	}
}

int guard_add(struct guard *g, const char *dir, struct err *e)
{
	char path[PATH_MAX], *copy = strdup(dir);

	if (!copy || !grow(&g->dir, g->n_dirs, sizeof(*g->dir))) {
		free(copy);
		return err_set(e, ENOMEM, "out of memory");
	}
	g->dir[g->n_dirs++] = copy;
	g->looked_at = 0;
	snprintf(path, sizeof(path), "%s", dir);
	look_through(g, AT_FDCWD, dir, path, 0);
	add_above(g, copy);
	if (!g->too_much)
		return 0;
	err_set(e, E2BIG,
		"write: %s holds more than %d directories, or deeper ones than %d: protected "
		"places in it cannot be told from others",
		dir, DIRECTORIES_MAX, DEEP_MAX);
	return err_hint(e, "name the directories in it that are written to");
}

/* ---- while the command runs ------------------------------------------------------------------ */

static void watch(struct guard *g, size_t root, const char *path, bool inner)
{
	int wd = inotify_add_watch(g->inotify, path, MADE | IN_ONLYDIR | IN_DONT_FOLLOW);

	if (wd < 0 || g->n_watched == WATCHED_MAX)
		return; /* seen at the end */
	for (size_t i = 0; i < g->n_watched; i++)
		if (g->watched[i].wd == wd && g->watched[i].root == root)
			return;
	if (grow(&g->watched, g->n_watched, sizeof(*g->watched)))
		g->watched[g->n_watched++] = (struct watched){wd, root, inner};
}

static void watch_root(struct guard *g, size_t root)
{
	watch(g, root, g->root[root].path, false);
	for (size_t i = 0; i < protected_places_n; i++) {
		const char *path = protected_places[i].path;

		for (const char *p = strchr(path, '/'); p && !g->may_come[i] && !g->covered[i];
		     p = strchr(p + 1, '/')) {
			char part[PATH_MAX], way[PATH_MAX];

			snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
			if (path_join(g->root[root].path, part, way, sizeof(way)) == 0)
				watch(g, root, way, true);
		}
	}
}

static void mark(const struct guard *g, const struct inotify_event *e, bool *changed)
{
	struct listing l = {.dirs = NULL};

	if (e->len)
		listing_note(&l, e->name);
	for (size_t i = 0; i < g->n_watched; i++)
		if (e->mask & IN_Q_OVERFLOW ||
		    (g->watched[i].wd == e->wd && (l.any || g->watched[i].inner)))
			changed[g->watched[i].root] = true;
}

static void on_event(struct watched_fd *w)
{
	struct guard *g = w->arg;
	char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	_cleanup_free_ bool *changed = calloc(g->n_roots + 1, sizeof(*changed));
	ssize_t n;

	while (changed && (n = read(g->inotify, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e = (const void *)p;

			mark(g, e, changed);
			p += sizeof(*e) + e->len;
		}
	for (size_t i = 0; changed && i < g->n_roots; i++)
		if (changed[i]) {
			watch_root(g, i); /* before the look: so nothing is missed between */
			look_at_root(g, &g->root[i]);
		}
}

void guard_watch(struct guard *g, struct launch *l, const char *who)
{
	if (!g)
		return;
	g->who = who;
	g->launch = l;
	g->after = true;
	g->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (g->inotify < 0)
		return; /* seen at the end */
	for (size_t i = 0; i < g->n_roots; i++)
		watch_root(g, i);
	launch_watch(l, g->inotify, on_event, g);
}

static bool counts_in(const struct guard *g, size_t place, const char *dir)
{
	bool inside = false;

	for (size_t i = 0; i < g->n_roots; i++)
		if (strcmp(g->root[i].path, dir) == 0)
			return true;
	for (size_t i = 0; i < g->n_dirs; i++)
		inside |= path_below(dir, g->dir[i]);
	return inside && protected_places[place].flags & PROTECTED_ANYWHERE;
}

bool guard_refuses(const struct guard *g, const char *path)
{
	size_t all = strlen(path);
	char dir[PATH_MAX];

	for (size_t i = 0; g && i < protected_places_n; i++) {
		size_t n = strlen(protected_places[i].path);

		if (g->may_come[i] || all <= n || all - n > sizeof(dir) ||
		    path[all - n - 1] != '/' ||
		    strcmp(path + all - n, protected_places[i].path) != 0)
			continue;
		snprintf(dir, sizeof(dir), "%.*s", (int)(all - n - 1), path);
		if (!dir[0])
			snprintf(dir, sizeof(dir), "/");
		if (counts_in(g, i, dir) && !find_known(g, path))
			return true;
	}
	return false;
}

size_t guard_end(struct guard *g)
{
	char path[PATH_MAX];

	if (!g || !g->after)
		return 0;
	g->launch = NULL;
	for (size_t i = 0; i < g->n_roots; i++)
		look_at_root(g, &g->root[i]);
	for (size_t i = 0; i < g->n_dirs; i++) {
		g->looked_at = 0;
		snprintf(path, sizeof(path), "%s", g->dir[i]);
		look_through(g, AT_FDCWD, g->dir[i], path, 0);
		if (g->too_much) {
			tell_place(g, g->dir[i],
				   "too many or too deep directories to look through");
			g->found++;
		}
		g->too_much = false;
	}
	if (g->told > TOLD_MAX)
		fprintf(stderr, "agentctl: %s: and %zu more\n", g->who, g->told - TOLD_MAX);
	return g->found;
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n_known; i++) {
		free(g->known[i].path);
		free(g->known[i].real);
	}
	for (size_t i = 0; i < g->n_roots; i++)
		free(g->root[i].path);
	for (size_t i = 0; i < g->n_dirs; i++)
		free(g->dir[i]);
	if (g->inotify >= 0)
		close(g->inotify);
	free(g->known);
	free(g->root);
	free(g->dir);
	free(g->watched);
	free(g);
}
