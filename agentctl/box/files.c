// SPDX-License-Identifier: GPL-2.0-or-later
/* Which mounts a box needs, and which rights by inode. */
#include "agentctl/box/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/box/build.h"
#include "agentctl/box/companions.h"
#include "agentctl/box/deny.h"
#include "agentctl/confine/landlock.h"
#include "agentctl/confine/mount.h"
#include "agentctl/confine/plan.h"
#include "agentctl/confine/user.h"
#include "agentctl/guard/guard.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/path.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

#define TMP_BYTES (256ull << 20)

/* What programs read at their start: the loader's cache, users, time zone, locale. */
static const char *const implied[] = {
    "/etc/ld.so.cache",       "/etc/localtime",       "/usr/share/zoneinfo",
    "/usr/lib/locale",        "/etc/passwd",          "/etc/group",
    "/etc/nsswitch.conf",     "/etc/ssl/openssl.cnf", "/etc/os-release",
    "/etc/lsb-release",       "/etc/debian_version",  "/etc/locale.alias",
    "/sys/devices/system/cpu"};
/* … and to use a network */
static const char *const implied_network[] = {"/etc/resolv.conf",
					      "/etc/hosts",
					      "/etc/host.conf",
					      "/etc/gai.conf",
					      "/etc/services",
					      "/etc/protocols",
					      "/etc/ssl/certs",
					      "/usr/share/ca-certificates",
					      "/etc/pki",
					      "/etc/ca-certificates",
					      "/usr/local/share/ca-certificates"};
/* Empty in every box, unless the profile names them. /run has the sockets of other programs. */
static const char *const private_dirs[] = {"/tmp", "/var/tmp", "/run"};

static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
				      "/dev/urandom"};

bool files_are_private(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(private_dirs); i++)
		if (path_below(path, private_dirs[i]))
			return true;
	return false;
}

/* ---- mounts ---------------------------------------------------------------------------------- */

static void add_bind(struct build *b, const char *path, enum right how, bool is_implied)
{
	struct step *s = plan_add(b->p, STEP_BIND, path, how);

	if (s)
		s->implied = is_implied;
}

static void add_allow(struct build *b, const char *path, uint64_t bits, bool is_implied)
{
	struct step *s = plan_add(b->p, STEP_ALLOW, path, bits);

	if (s) {
		s->implied = is_implied;
		s->optional = is_implied;
	}
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The profile may write path. */
static bool is_written(const struct build *b, const char *path)
{
	for (size_t i = 0; i < b->n_entries; i++)
		if (b->entry[i].real && b->entry[i].path.right == RIGHT_WRITE &&
		    path_below(path, b->entry[i].real))
			return true;
	return false;
}

static void protect(const char *real, void *arg)
{
	struct build *b = arg;

	if (is_written(b, real))
		add_bind(b, real, RIGHT_READ, true);
}

/* The protected places in a writable one. */
static int guard(struct build *b, const struct entry *x)
{
	const struct protected_place *place = protected_place_of(x->real);

	for (size_t i = 0; place && i < b->profile.n_unprotect; i++)
		if (protected_opened_by(place, profile_unprotect(b->b->policy, b->b->profile, i)))
			place = NULL;
	if (place && place->name) {
		build_error(b, &x->path, EPERM, "it is a protected place, or in one: %s",
			    place->path);
		return err_hint(b->e, "if the tool must write there: unprotect: [%s]", place->name);
	}
	if (!is_directory(x->real))
		return 0;
	if (!b->guard && !(b->guard = guard_new(b->b->policy, b->b->profile)))
		return err_set(b->e, ENOMEM, "out of memory");
	return guard_add(b->guard, x->real, b->e);
}

/* A box has new directories of this kind, which everybody may enter. So a place in them would be
 * reached without the directories that close it outside. */
static int check_reach(struct build *b, const struct entry *x)
{
	struct rights_lent lent;
	int r;

	if (b->b->of_root || !files_are_private(x->real))
		return 0;
	r = user_borrow(b->p, &lent, b->e);
	if (r < 0)
		return r;
	r = faccessat(AT_FDCWD, x->real, F_OK, AT_EACCESS) < 0 ? errno : 0;
	rights_back(&lent);
	if (!r)
		return 0;
	build_error(b, &x->path, r, "%s", strerror(r));
	return err_hint(b->e,
			"only a policy that is root's may name a path that user '%s' cannot reach",
			b->p->user);
}

static int add_mount(struct build *b, const struct entry *x)
{
	int r = check_reach(b, x);

	if (r < 0)
		return r;
	b->sockets |= is_socket(x->real);
	if (x->path.right == RIGHT_EXEC || x->path.right == RIGHT_WRITE ||
	    (x->path.right == RIGHT_READ && files_are_private(x->real) && !is_written(b, x->real)))
		add_bind(b, x->real, x->path.right, false);
	return x->path.right == RIGHT_WRITE ? guard(b, x) : 0;
}

static bool may_be_written(const struct build *b, const char *path)
{
	for (size_t i = 0; i < b->n_writable; i++)
		if (path_below(path, b->writable[i]) || path_below(b->writable[i], path))
			return true;
	return false;
}

/* Parts that a box may write are left out: whoever writes them would decide what runs here. */
static void mount_part(const char *real, enum part part, void *arg)
{
	if (part != PART_READ && !may_be_written(arg, real))
		add_bind(arg, real, RIGHT_EXEC, true);
}

static void allow_part(const char *real, enum part part, void *arg)
{
	if (!may_be_written(arg, real))
		add_allow(arg, real, part == PART_EXEC ? RIGHT_EXEC : RIGHT_READ, true);
}

static void each_part(struct build *b, void (*fn)(const char *real, enum part part, void *arg))
{
	for (size_t i = 0; i < b->n_entries; i++)
		if (b->entry[i].real && b->entry[i].path.right == RIGHT_EXEC)
			companions(b->entry[i].real, fn, b);
}

/* The directories between a writable place and path are mounted on themselves: else the command
 * could rename one, with the protected place in it, and make another in its stead. */
static void pin(struct build *b, const char *path)
{
	char way[PATH_MAX];

	snprintf(way, sizeof(way), "%s", path);
	for (char *slash = strrchr(way, '/'); slash && slash != way; slash = strrchr(way, '/')) {
		*slash = '\0';
		if (!is_written(b, way))
			return;
		add_bind(b, way, RIGHT_WRITE, true);
	}
}

static void pin_all(struct build *b, size_t from)
{
	size_t to = b->p->n;

	for (size_t i = from; i < to; i++) {
		const struct step *s = &b->p->step[i];
		_cleanup_free_ char *path = s->path ? strdup(s->path) : NULL;

		if (path && s->kind == STEP_BIND && (s->implied || s->arg == RIGHT_EXEC))
			pin(b, path);
	}
	for (size_t i = 0; i < b->n_entries; i++)
		if (b->entry[i].path.right == RIGHT_NONE && b->entry[i].real)
			pin(b, b->entry[i].real);
	if (b->b->log_dir)
		pin(b, b->b->log_dir);
}

/* Of two mounts of one place the higher rank wins: a protected place, then programs, then writable
 * places, then readable ones; a directory that is only pinned is last. */
static int rank(const struct step *s)
{
	if (s->implied)
		return s->arg == RIGHT_READ ? 9 : s->arg == RIGHT_EXEC ? 3 : 0;
	return s->arg == RIGHT_READ ? 1 : s->arg == RIGHT_WRITE ? 2 : 3;
}

/* Directories before their contents; the profile's mounts come after a library directory. */
static int steps_by_path(const void *x, const void *y)
{
	const struct step *a = x, *b = y;
	int d = strcmp(a->path, b->path);

	if (d)
		return d;
	if (a->kind != b->kind)
		return a->kind == STEP_LIBRARY ? -1 : 1;
	return a->kind == STEP_BIND ? rank(a) - rank(b) : 0;
}

static void drop_step(struct plan *p, size_t i)
{
	free(p->step[i].path);
	memmove(&p->step[i], &p->step[i + 1], (p->n - i - 1) * sizeof(p->step[i]));
	p->n--;
}

/* Of two mounts of one place the one with the higher rank stays. */
static int settle(struct build *b, size_t from)
{
	struct plan *p = b->p;

	if (p->n > from)
		qsort(p->step + from, p->n - from, sizeof(*p->step), steps_by_path);
	for (size_t i = from; i + 1 < p->n;) {
		const struct step *x = &p->step[i], *y = &p->step[i + 1];

		if (x->kind != y->kind || strcmp(x->path, y->path) != 0) {
			i++;
			continue;
		}
		if (!x->implied && !y->implied && x->arg == RIGHT_WRITE && y->arg == RIGHT_EXEC) {
			err_set(b->e, EINVAL, "'%s': write and exec of the same place", x->path);
			return err_hint(b->e, "what a tool can write it must not run: take one of "
					      "the two out");
		}
		drop_step(p, i);
	}
	return 0;
}

/* Neither Landlock nor a read-only mount keeps a program from connecting to a socket file. */
static void hide_socket(const char *path, void *arg)
{
	struct build *b = arg;

	if (files_are_private(path))
		return;
	for (size_t i = 0; i < b->n_entries; i++)
		if (b->entry[i].real && strcmp(b->entry[i].real, path) == 0)
			return;
	plan_add(b->p, STEP_HIDE, path, 0);
}

/* agentfw's own files; and other programs' sockets where the box may connect to any. Those in a
 * private directory are gone already. */
static void hide(struct build *b)
{
	if (b->b->run_dir && b->b->run_dir[0] && !files_are_private(b->b->run_dir))
		plan_add(b->p, STEP_HIDE, b->b->run_dir, 0);
	if (b->b->log_dir && b->b->log_dir[0])
		plan_add(b->p, STEP_HIDE, b->b->log_dir, 0);
	if (b->b->profile == PROFILE_AGENT || b->sockets)
		mount_each_socket(hide_socket, b);
}

static void own_places(struct build *b)
{
	char real[PATH_MAX];

	plan_add(b->p, STEP_PRIVATE, NULL, MS_PRIVATE);
	plan_add(b->p, STEP_TREE, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(private_dirs); i++)
		if (realpath(private_dirs[i], real))
			plan_add(b->p, STEP_TMPFS, real,
				 strcmp(private_dirs[i], "/run") == 0 ? 0 : TMP_BYTES);
	plan_add(b->p, STEP_DEVICES, NULL, 0);
	plan_add(b->p, STEP_TMPFS, "/dev/shm", TMP_BYTES);
	plan_add(b->p, STEP_PROC, NULL, 0);
}

int files_mounts(struct build *b)
{
	char real[PATH_MAX];
	size_t from;
	int r = 0;

	own_places(b);
	from = b->p->n;
	for (size_t i = 0; i < b->libs->n; i++)
		plan_add(b->p, STEP_LIBRARY, b->libs->path[i], RIGHT_EXEC);
	if (!b->profile.no_network && realpath("/etc/resolv.conf", real) && files_are_private(real))
		add_bind(b, real, RIGHT_READ, true);
	for (size_t i = 0; r == 0 && i < b->n_entries; i++)
		if (b->entry[i].real)
			r = add_mount(b, &b->entry[i]);
	if (r < 0)
		return r;
	each_part(b, mount_part);
	protect(b->b->policy_path, b);
	if (b->guard)
		guard_each(b->guard, protect, b);
	pin_all(b, from);
	if ((r = settle(b, from)) < 0 || (r = deny_steps(b)) < 0)
		return r;
	hide(b);
	return 0;
}

/* ---- rights ---------------------------------------------------------------------------------- */

static void allow_implied(struct build *b)
{
	char real[PATH_MAX];

	add_allow(b, "/proc", RIGHT_READ, true);
	for (size_t i = 0; !b->b->namespaces && i < ARRAY_SIZE(devices); i++)
		add_allow(b, devices[i], RIGHT_READ | RIGHT_WRITE, true);
	if (b->b->namespaces)
		add_allow(b, "/dev", RIGHT_READ | RIGHT_WRITE, true);
	for (size_t i = 0; b->b->namespaces && i < ARRAY_SIZE(private_dirs); i++)
		if (realpath(private_dirs[i], real))
			add_allow(b, real,
				  strcmp(private_dirs[i], "/run") == 0 ? RIGHT_READ
								       : RIGHT_READ | RIGHT_WRITE,
				  true);
	for (size_t i = 0; i < b->libs->n; i++)
		add_allow(b, b->libs->path[i], RIGHT_READ, true);
	if (b->libs->loader[0])
		add_allow(b, b->libs->loader, RIGHT_EXEC, true);
	for (size_t i = 0; i < ARRAY_SIZE(implied); i++)
		if (realpath(implied[i], real))
			add_allow(b, real, RIGHT_READ, true);
	for (size_t i = 0; !b->profile.no_network && i < ARRAY_SIZE(implied_network); i++)
		if (realpath(implied_network[i], real))
			add_allow(b, real, RIGHT_READ, true);
}

/* Landlock adds up the rights of a place and of the directories above it, so without mounts nothing
 * can be taken away below a place that is allowed. */
static int check_apart(struct build *b, const struct entry *x)
{
	for (size_t i = 0; i < b->n_entries; i++) {
		const struct entry *y = &b->entry[i];
		bool inside =
		    y->real && y->path.right != RIGHT_NONE && path_below(x->real, y->real);

		if (x->path.right == RIGHT_NONE && inside) {
			build_error(b, &x->path, EOPNOTSUPP,
				    "without mounts nothing can be denied in %s, which is "
				    "allowed",
				    y->path.path);
			return err_hint(b->e, "name what is in it one by one, without the place "
					      "that is denied");
		}
		if ((x->path.right == RIGHT_EXEC && y->path.right == RIGHT_WRITE && inside) ||
		    (x->path.right == RIGHT_WRITE && y->path.right == RIGHT_EXEC && inside)) {
			build_error(b, &x->path, EOPNOTSUPP,
				    "without mounts write and exec cannot be kept apart: it "
				    "is in %s",
				    y->path.path);
			return err_hint(b->e, "what a tool can write it must not run: take one of "
					      "the two out");
		}
	}
	return 0;
}

int files_rights(struct build *b)
{
	int r = 0;

	allow_implied(b);
	each_part(b, allow_part);
	for (size_t i = 0; r == 0 && i < b->n_entries; i++) {
		const struct entry *x = &b->entry[i];

		if (!x->real)
			continue;
		if (!b->b->namespaces)
			r = check_apart(b, x);
		if (x->path.right == RIGHT_NONE)
			continue;
		add_allow(b, x->real, x->path.right, false);
		b->sockets |= is_socket(x->real);
	}
	plan_add(b->p, STEP_LANDLOCK, NULL, LANDLOCK_FILES | LANDLOCK_SCOPE);
	return r;
}
