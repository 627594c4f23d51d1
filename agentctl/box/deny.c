// SPDX-License-Identifier: GPL-2.0-or-later
/* Denied places, mounted over last. A bind mount of the host's may show a denied file at a second
 * path, which is closed, too. */
#include "agentctl/box/deny.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agentctl/box/build.h"
#include "agentctl/confine/plan.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/path.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

/* A line of /proc/self/mountinfo: man 5 proc. */
struct shown {
	char *root, *point;
	unsigned major, minor;
};

struct mounts {
	struct shown *m;
	size_t n;
};

/* "\040" is a space. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++, to++)
		if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to = *s;
		}
	*to = '\0';
}

static bool read_line(char *line, struct shown *ret)
{
	char *save, *word = strtok_r(line, " ", &save);

	for (int i = 0; word && i < 2; i++)
		word = strtok_r(NULL, " ", &save);
	if (!word || sscanf(word, "%u:%u", &ret->major, &ret->minor) != 2)
		return false;
	ret->root = strtok_r(NULL, " ", &save);
	ret->point = ret->root ? strtok_r(NULL, " ", &save) : NULL;
	if (!ret->point)
		return false;
	unescape(ret->root);
	unescape(ret->point);
	ret->root = strdup(ret->root);
	ret->point = strdup(ret->point);
	return true;
}

static int read_mounts(struct mounts *ret)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0, list_room = 0;

	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		if (ret->n == list_room) {
			size_t more = list_room ? list_room * 2 : 64;
			struct shown *p = reallocarray(ret->m, more, sizeof(*p));

			if (!p)
				return -ENOMEM;
			ret->m = p;
			list_room = more;
		}
		if (read_line(line, &ret->m[ret->n]) && ret->m[ret->n].root && ret->m[ret->n].point)
			ret->n++;
	}
	return ferror(f) ? -EIO : 0;
}

static void mounts_done(struct mounts *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->m[i].root);
		free(x->m[i].point);
	}
	free(x->m);
}

/* The mount that path lies on: the longest mount point, of equal ones the last. */
static const struct shown *mount_of(const struct mounts *x, const char *path)
{
	const struct shown *found = NULL;

	for (size_t i = 0; i < x->n; i++)
		if (path_below(path, x->m[i].point) &&
		    (!found || strlen(x->m[i].point) >= strlen(found->point)))
			found = &x->m[i];
	return found;
}

static const char *behind(const char *path, const char *dir)
{
	return dir[1] ? path + strlen(dir) : path;
}

static bool is_named(const struct build *b, const char *path)
{
	for (size_t i = 0; i < b->n_entries; i++)
		if (b->entry[i].real && b->entry[i].path.right != RIGHT_NONE &&
		    path_below(path, b->entry[i].real))
			return true;
	return false;
}

static void deny_place(struct build *b, const char *path)
{
	for (size_t i = 0; i < b->p->n; i++)
		if (b->p->step[i].kind == STEP_DENY && strcmp(b->p->step[i].path, path) == 0)
			return;
	plan_add(b->p, STEP_DENY, path, 0);
}

/* A mount shows the denied place if its root is the place, above it, or in it. */
static void deny_where_shown(struct build *b, const struct mounts *x, const char *real)
{
	const struct shown *on = mount_of(x, real);
	char inside[2 * PATH_MAX], path[3 * PATH_MAX];

	if (!on)
		return;
	snprintf(inside, sizeof(inside), "%s%s", on->root[1] ? on->root : "",
		 behind(real, on->point));
	for (size_t i = 0; i < x->n; i++) {
		const struct shown *m = &x->m[i];

		if (m->major != on->major || m->minor != on->minor)
			continue;
		if (path_below(inside, m->root))
			snprintf(path, sizeof(path), "%s%s", m->point[1] ? m->point : "",
				 behind(inside, m->root));
		else if (path_below(m->root, inside))
			snprintf(path, sizeof(path), "%s", m->point);
		else
			continue;
		if (strcmp(path, real) != 0 && is_named(b, path))
			deny_place(b, path);
	}
}

/* Secrets in a directory that the profile names, where it names neither them nor `unprotect`. */
static void deny_secrets_in(struct build *b, const char *dir)
{
	char path[2 * PATH_MAX], real[PATH_MAX];
	struct stat st;

	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	for (size_t i = 0; i < protected_places_n; i++) {
		const struct protected_place *x = &protected_places[i];
		bool open = false;

		for (size_t k = 0; k < b->profile.n_unprotect; k++)
			open |= protected_opened_by(
			    x, profile_unprotect(b->b->policy, b->b->profile, k));
		snprintf(path, sizeof(path), "%s/%s", dir, x->path);
		if (open || !(x->flags & PROTECTED_SECRET) || lstat(path, &st) < 0 ||
		    !realpath(path, real))
			continue;
		for (size_t k = 0; k < b->n_entries; k++)
			open |= b->entry[k].real && b->entry[k].path.right != RIGHT_NONE &&
				path_below(b->entry[k].real, real);
		if (!open)
			deny_place(b, real);
	}
}

static void deny_secrets(struct build *b)
{
	for (size_t i = 0; i < b->n_entries; i++) {
		const struct entry *x = &b->entry[i];

		if (!x->real || x->path.right == RIGHT_NONE)
			continue;
		deny_secrets_in(b, x->real);
		if (path_below(b->p->home, x->real))
			deny_secrets_in(b, b->p->home);
	}
}

int deny_steps(struct build *b)
{
	struct mounts x = {.m = NULL};
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < b->n_entries; i++)
		any |= b->entry[i].path.right == RIGHT_NONE && b->entry[i].real;
	if (any && (r = read_mounts(&x)) < 0)
		r = err_set(b->e, -r, "cannot read /proc/self/mountinfo: %s", strerror(-r));
	for (size_t i = 0; r == 0 && i < b->n_entries; i++)
		if (b->entry[i].path.right == RIGHT_NONE && b->entry[i].real) {
			deny_place(b, b->entry[i].real);
			deny_where_shown(b, &x, b->entry[i].real);
		}
	mounts_done(&x);
	if (r == 0)
		deny_secrets(b);
	return r;
}
