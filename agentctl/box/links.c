// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the paths of a profile lead. They are followed by hand, since a symbolic link in a
 * directory that a tool may write is the tool's: it could lead a right out of there. */
#include "agentctl/box/links.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentctl/box/box.h"
#include "agentctl/box/build.h"
#include "policy/base/err.h"
#include "policy/base/path.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

#define LINKS_MAX 40 /* as the kernel's MAXSYMLINKS */

struct walk {
	char left[PATH_MAX]; /* what is still to be walked */
	char *real;          /* what was: no link in it; "": the root */
	char *const *dirs;
	size_t n;
	const char *held_by[LINKS_MAX]; /* per followed link: the innermost of dirs that holds it */
	size_t links;
};

static const char *innermost(const struct walk *w, const char *path)
{
	const char *found = NULL;

	for (size_t i = 0; i < w->n; i++)
		if (path_below(path[0] ? path : "/", w->dirs[i]) &&
		    (!found || path_below(w->dirs[i], found)))
			found = w->dirs[i];
	return found;
}

/* The link's target is put before what is left. */
static int follow(struct walk *w, const char *target, size_t target_bytes, const char *rest)
{
	char text[2 * PATH_MAX];

	if (w->links == LINKS_MAX)
		return -ELOOP;
	w->held_by[w->links++] = innermost(w, w->real);
	if (target[0] == '/')
		w->real[0] = '\0';
	if ((size_t)snprintf(text, sizeof(text), "%.*s/%s", (int)target_bytes, target, rest) >=
	    sizeof(w->left))
		return -ENAMETOOLONG;
	memcpy(w->left, text, strlen(text) + 1);
	return 0;
}

static int step(struct walk *w, const char *name, size_t bytes, const char *rest)
{
	char target[PATH_MAX];
	size_t at = strlen(w->real);
	ssize_t n;

	if (bytes == 1 && name[0] == '.')
		return 1;
	if (bytes == 2 && name[0] == '.' && name[1] == '.') {
		char *slash = strrchr(w->real, '/');

		if (slash)
			*slash = '\0';
		return 1;
	}
	if (at + bytes + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	w->real[at] = '/';
	memcpy(w->real + at + 1, name, bytes);
	w->real[at + 1 + bytes] = '\0';
	n = readlink(w->real, target, sizeof(target));
	if (n < 0)
		return errno == EINVAL ? 1 : -errno;
	w->real[at] = '\0';
	return (size_t)n == sizeof(target) ? -ENAMETOOLONG : follow(w, target, (size_t)n, rest);
}

int links_realpath(const char *path, char *const *dirs, size_t n, char *ret, const char **ret_dir)
{
	struct walk w = {.real = ret, .dirs = dirs, .n = n};
	char *p = w.left;
	int r = 1;

	ret[0] = '\0';
	*ret_dir = NULL;
	if (strlen(path) >= sizeof(w.left))
		return -ENAMETOOLONG;
	memcpy(w.left, path, strlen(path) + 1);
	while (r >= 0) {
		size_t bytes;

		p += strspn(p, "/");
		bytes = strcspn(p, "/");
		if (!bytes)
			break;
		r = step(&w, p, bytes, p + bytes);
		p = r == 0 ? w.left : p + bytes; /* 0: a link took its place */
	}
	if (r >= 0 && !ret[0])
		memcpy(ret, "/", 2);
	for (size_t i = 0; r >= 0 && i < w.links; i++)
		if (w.held_by[i] && !path_below(ret, w.held_by[i])) {
			*ret_dir = w.held_by[i];
			return -ELOOP;
		}
	return r < 0 ? r : 0;
}

/* ---- of a profile ---------------------------------------------------------------------------- */

static int add_writable(struct build *b, const char *path)
{
	char **more = reallocarray(b->writable, b->n_writable + 1, sizeof(*more));

	if (!more)
		return err_set(b->e, ENOMEM, "out of memory");
	b->writable = more;
	b->writable[b->n_writable] = strdup(path);
	return b->writable[b->n_writable++] ? 0 : err_set(b->e, ENOMEM, "out of memory");
}

/* Every place that exists and that any profile of the policy may write. */
static int find_writable(struct build *b)
{
	size_t n = policy_profiles(b->b->policy);
	int r = add_writable(b, b->workspace);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct profile f;

		policy_profile(b->b->policy, i, &f);
		for (size_t k = 0; r == 0 && k < f.n_paths; k++) {
			struct profile_path path;
			char text[PATH_MAX], real[PATH_MAX];

			profile_path(b->b->policy, i, k, &path);
			if (path.right == RIGHT_WRITE &&
			    box_path(b->p, b->workspace, path.path, text, sizeof(text), NULL) ==
				0 &&
			    realpath(text, real))
				r = add_writable(b, real);
		}
	}
	return r;
}

static int resolve(struct build *b, struct entry *x)
{
	char text[PATH_MAX], real[PATH_MAX];
	const char *dir;
	int r = box_path(b->p, b->workspace, x->path.path, text, sizeof(text), b->e);

	if (r < 0)
		return r;
	r = links_realpath(text, b->writable, b->n_writable, real, &dir);
	if (r == -ELOOP && dir) {
		build_error(b, &x->path, ELOOP, "a symbolic link leads out of %s%s", dir,
			    strcmp(dir, b->workspace) == 0 ? ", the workspace"
							   : ", which a tool may write to");
		return err_hint(b->e, "name the place that is meant: %s", real);
	}
	if (r == -ENOENT && x->path.optional)
		return 0;
	if (r < 0) {
		build_error(b, &x->path, -r, "%s", strerror(-r));
		return r == -ENOENT ? err_hint(b->e, "make it, or write {path: %s, optional: true}",
					       x->path.path)
				    : r;
	}
	x->real = strdup(real);
	return x->real ? 0 : err_set(b->e, ENOMEM, "out of memory");
}

int links_resolve(struct build *b)
{
	int r = find_writable(b);

	b->entry = calloc(b->profile.n_paths + 1, sizeof(*b->entry));
	if (!b->entry)
		return err_set(b->e, ENOMEM, "out of memory");
	for (; r == 0 && b->n_entries < b->profile.n_paths; b->n_entries++) {
		struct entry *x = &b->entry[b->n_entries];

		profile_path(b->b->policy, b->b->profile, b->n_entries, &x->path);
		r = resolve(b, x);
	}
	return r;
}

void links_done(struct build *b)
{
	for (size_t i = 0; i < b->n_entries; i++)
		free(b->entry[i].real);
	for (size_t i = 0; i < b->n_writable; i++)
		free(b->writable[i]);
	free(b->entry);
	free(b->writable);
}
