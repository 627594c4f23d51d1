// SPDX-License-Identifier: GPL-2.0-or-later
/* From single accesses to the lists of a profile. A directory is proposed when several files in it
 * were read; never a home or a large tree as a whole, nor a protected place. */
#include "agentctl/learn/files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentctl/learn/log.h"
#include "agentctl/seen/suggest.h"
#include "policy/base/cleanup.h"
#include "policy/base/path.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

#define SEVERAL 3 /* files read in one directory: then the directory is proposed */
#define DEEP    3 /* as /usr/lib/python3: above that only the directory's own files count */

struct item {
	const char *path;
	uint64_t count;
	bool directory;
};

struct learning {
	const struct seen *s;
	const struct learn_host *h;
	struct proposals *ret;
	bool failed;
};

/* ---- places ---------------------------------------------------------------------------------- */

static unsigned depth(const char *path)
{
	unsigned n = 0;

	for (const char *p = path; *p; p++)
		n += *p == '/' && p[1];
	return n;
}

/* ---- proposals ------------------------------------------------------------------------------- */

static struct proposal *propose(struct learning *l, enum right right, const char *path)
{
	struct proposals *ps = l->ret;
	struct proposal *p = ps->list;

	for (size_t i = 0; i < ps->n; i++, p++)
		if (p->right == right && strcmp(p->path, path) == 0)
			return p;
	if (ps->n == ps->room) {
		size_t room = ps->room ? ps->room * 2 : 64;

		p = reallocarray(ps->list, room, sizeof(*p));
		if (!p) {
			l->failed = true;
			return NULL;
		}
		ps->list = p;
		ps->room = room;
	}
	p = &ps->list[ps->n];
	*p = (struct proposal){.right = right, .path = strdup(path)};
	if (!p->path) {
		l->failed = true;
		return NULL;
	}
	ps->n++;
	return p;
}

static void add_proposal(struct learning *l, enum right right, const char *path, uint64_t count,
			 size_t files, const char *why_not)
{
	struct proposal *p = propose(l, right, path);

	if (!p)
		return;
	p->count += count;
	p->files += files;
	p->why_not = why_not;
	p->broad = right == RIGHT_EXEC && profile_is_interpreter(path);
	p->optional = !l->h->exists(path);
}

/* Why a path cannot be written into a policy, or should not be; NULL: it can. */
static const char *unfit(enum right right, const char *path)
{
	const struct protected_place *place = protected_place_of(path);
	char buf[2 * PROFILE_PATH_MAX + 3];

	if (place && (right != RIGHT_READ || place->flags & PROTECTED_SECRET))
		return "others trust what is there: add it yourself, if it is meant";
	return suggest_yaml(path, buf, sizeof(buf)) || strcmp(path, "/") == 0
		   ? NULL
		   : "left out: a policy cannot write this name";
}

static bool proposed(const struct learning *l, enum right right, const char *path)
{
	for (size_t i = 0; i < l->ret->n; i++) {
		const struct proposal *p = &l->ret->list[i];

		if (p->right == right && !p->why_not && path_below(path, p->path))
			return true;
	}
	return false;
}

/* ---- merging --------------------------------------------------------------------------------- */

static int items_by_path(const void *x, const void *y)
{
	/* a directory before what is in it, and that before its neighbours */
	const unsigned char *a = (const void *)((const struct item *)x)->path;
	const unsigned char *b = (const void *)((const struct item *)y)->path;

	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (*a == '/' ? 1 : *a) - (*b == '/' ? 1 : *b);
}

/* it: n items, all in dir or below. Proposes dir itself and returns true, or proposes what is in
 * it. */
static bool merge(struct learning *l, enum right right, const char *dir, const struct item *it,
		  size_t n)
{
	size_t skip = strcmp(dir, "/") == 0 ? 1 : strlen(dir) + 1, direct = 0, merged = 0;
	size_t first = l->ret->n;
	bool listed = strcmp(it[0].path, dir) == 0 && it[0].directory;
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += it[i].count;
	for (size_t i = strcmp(it[0].path, dir) == 0, k; i < n; i = k) {
		size_t len = skip + strcspn(it[i].path + skip, "/");
		char sub[PATH_MAX + 1];

		snprintf(sub, sizeof(sub), "%.*s", (int)len, it[i].path);
		for (k = i + 1; k < n && path_below(it[k].path, sub); k++)
			;
		if (k - i == 1 && !it[i].path[len] && !it[i].directory) {
			add_proposal(l, right, it[i].path, it[i].count, 1, NULL);
			direct++;
		} else {
			merged += merge(l, right, sub, it + i, k - i);
		}
	}
	if (suggest_too_much(l->h->home, dir)) {
		if (listed)
			add_proposal(l, right, dir, it[0].count, 1,
				     suggest_too_much(l->h->home, dir));
		return false;
	}
	if (!listed && (direct + merged < SEVERAL || (depth(dir) < DEEP && direct < SEVERAL)))
		return false;
	for (size_t i = first; i < l->ret->n; i++)
		free(l->ret->list[i].path);
	l->ret->n = first;
	add_proposal(l, right, dir, count, n, NULL);
	return true;
}

static void merge_all(struct learning *l, enum right right, struct item *it, size_t n)
{
	if (!n)
		return;
	qsort(it, n, sizeof(*it), items_by_path);
	merge(l, right, "/", it, n);
}

/* ---- the three lists ------------------------------------------------------------------------- */

static size_t files_gather(struct learning *l, enum right right, bool map, struct item *it)
{
	size_t n = 0;

	for (size_t i = 0; i < l->s->n_paths; i++) {
		const struct seen_path *p = &l->s->path[i];
		const char *why = unfit(right, p->path);

		if (p->right != right || (right == RIGHT_EXEC && p->map != map))
			continue;
		if (why)
			add_proposal(l, right, p->path, p->count, 1, why);
		else if (right != RIGHT_READ ||
			 (!proposed(l, RIGHT_EXEC, p->path) && !proposed(l, RIGHT_WRITE, p->path)))
			it[n++] = (struct item){p->path, p->count, p->directory};
	}
	return n;
}

/* Programs one by one: a directory would allow more than was run. Libraries are merged. */
static void programs(struct learning *l, struct item *it)
{
	size_t n = files_gather(l, RIGHT_EXEC, false, it);

	for (size_t i = 0; i < n; i++)
		add_proposal(l, RIGHT_EXEC, it[i].path, it[i].count, 1,
			     proposed(l, RIGHT_WRITE, it[i].path)
				 ? "what can be written must not be run"
				 : NULL);
	n = files_gather(l, RIGHT_EXEC, true, it);
	merge_all(l, RIGHT_EXEC, it, n);
}

/* The place that must be writable: the directory, where a name comes or goes. A directory that was
 * made and still exists need not be made again. */
static const char *place(const struct learning *l, const struct seen_path *p,
			 char buf[PATH_MAX + 1])
{
	if (!p->name || (p->made && l->h->is_directory(p->path)))
		return p->path;
	path_parent(p->path, buf, PATH_MAX + 1);
	/* only this name, where its directory would be too much */
	return suggest_too_much(l->h->home, buf) && l->h->exists(p->path) ? p->path : buf;
}

static void changes(struct learning *l, struct item *it)
{
	size_t n = 0;
	char buf[PATH_MAX + 1];

	for (size_t i = 0; i < l->s->n_paths; i++) {
		const struct seen_path *p = &l->s->path[i];
		const char *at, *why;

		if (p->right != RIGHT_WRITE)
			continue;
		at = place(l, p, buf);
		why = unfit(RIGHT_WRITE, at);
		why = why ? why : unfit(RIGHT_WRITE, p->path);
		if (!why && (l->h->is_directory(at) || p->name))
			why = suggest_too_much(l->h->home, at);
		if (why)
			add_proposal(l, RIGHT_WRITE, p->path, p->count, 1, why);
		else if (at == buf || l->h->is_directory(at))
			add_proposal(l, RIGHT_WRITE, at, p->count, 1, NULL);
		else
			it[n++] = (struct item){p->path, p->count, false};
	}
	for (size_t i = 0; i < n;) /* drops files in a directory that is proposed anyway */
		if (proposed(l, RIGHT_WRITE, it[i].path))
			it[i] = it[--n];
		else
			i++;
	merge_all(l, RIGHT_WRITE, it, n);
}

/* What was read in a place to be written is proposed as the place: names may change per run. */
static void read_back(struct learning *l)
{
	for (size_t i = 0; i < l->s->n_paths; i++) {
		const struct seen_path *p = &l->s->path[i];

		for (size_t k = 0; p->right == RIGHT_READ && k < l->ret->n; k++) {
			const struct proposal *w = &l->ret->list[k];

			if (w->right != RIGHT_WRITE || w->why_not || !path_below(p->path, w->path))
				continue;
			add_proposal(l, RIGHT_READ, w->path, p->count, 1, NULL);
			break;
		}
	}
}

/* A proposal below another one of the same right is dropped. */
static void drop_covered(struct learning *l)
{
	struct proposals *ps = l->ret;

	for (size_t i = 0; i < ps->n;) {
		struct proposal *p = &ps->list[i];
		bool covered = false;

		for (size_t k = 0; k < ps->n && !covered; k++) {
			struct proposal *q = &ps->list[k];

			covered = k != i && !p->why_not && !q->why_not && q->right == p->right &&
				  strcmp(q->path, p->path) != 0 && path_below(p->path, q->path);
			if (covered) {
				q->count += p->count;
				q->files += p->files;
			}
		}
		if (!covered) {
			i++;
			continue;
		}
		free(p->path);
		memmove(p, p + 1, (ps->n - i - 1) * sizeof(*p));
		ps->n--;
	}
}

static int by_kind(const void *x, const void *y)
{
	const struct proposal *a = x, *b = y;

	return a->right != b->right ? (int)a->right - (int)b->right : strcmp(a->path, b->path);
}

int learn_files(const struct seen *s, const struct learn_host *h, struct proposals *ret)
{
	struct learning l = {.s = s, .h = h, .ret = ret};
	_cleanup_free_ struct item *it = calloc(s->n_paths + 1, sizeof(*it));

	*ret = (struct proposals){0};
	if (!it)
		return -ENOMEM;
	changes(&l, it);
	programs(&l, it);
	merge_all(&l, RIGHT_READ, it, files_gather(&l, RIGHT_READ, false, it));
	read_back(&l);
	drop_covered(&l);
	if (ret->n)
		qsort(ret->list, ret->n, sizeof(*ret->list), by_kind);
	return l.failed ? -ENOMEM : 0;
}

void proposals_done(struct proposals *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->list[i].path);
	free(p->list);
	*p = (struct proposals){0};
}
