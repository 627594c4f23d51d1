// SPDX-License-Identifier: GPL-2.0-or-later
/* What a plan allows at one path, from the same steps that are applied. */
#include "agentctl/seen/judge.h"

#include <string.h>

#include "agentctl/confine/libraries.h"
#include "agentctl/confine/plan.h"
#include "policy/base/path.h"
#include "policy/base/rights.h"

/* Where a step mounts something; NULL: it does not. */
static const char *mount_point(const struct step *s)
{
	switch ((int)s->kind) {
	case STEP_BIND:
	case STEP_LIBRARY:
	case STEP_TMPFS:
	case STEP_DENY:
		return s->path;
	case STEP_DEVICES:
		return "/dev";
	case STEP_PROC:
		return "/proc";
	default:
		return NULL;
	}
}

/* The mount that path lies on: the longest, of equal ones the last, as steps are applied in
 * order. */
static const struct step *mount_of(const struct plan *p, const char *path)
{
	const struct step *found = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < p->n; i++) {
		const char *at = mount_point(&p->step[i]);
		size_t n = at ? strlen(at) : 0;

		if (!at || n < longest || !path_below(path, at))
			continue;
		found = &p->step[i];
		longest = n;
	}
	return found;
}

static bool mount_lets(const struct plan *p, const char *path, uint32_t right)
{
	const struct step *s = mount_of(p, path);

	if (!p->tool) /* no mounts of its own */
		return true;
	if (s && s->kind == STEP_DENY)
		return false;
	if (path_below(path, "/dev")) /* of the box's own */
		return right != RIGHT_EXEC;
	switch (right) {
	case RIGHT_WRITE:
		return s && ((s->kind == STEP_BIND && s->arg == RIGHT_WRITE) ||
			     s->kind == STEP_TMPFS || s->kind == STEP_DEVICES);
	case RIGHT_EXEC:
		return s &&
		       ((s->kind == STEP_BIND && s->arg == RIGHT_EXEC) ||
			(s->kind == STEP_LIBRARY && library_maps(p->libraries, s->path, path)));
	default:
		return true;
	}
}

static uint64_t allowed(const struct plan *p, const char *path)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->step[i].kind == STEP_ALLOW && path_below(path, p->step[i].path))
			bits |= p->step[i].arg;
	return bits & RIGHT_EXEC ? bits | RIGHT_READ : bits;
}

uint32_t judge(const struct plan *p, const char *path, uint32_t rights)
{
	uint64_t bits = allowed(p, path);
	uint32_t refused = 0;

	for (uint32_t right = RIGHT_READ; right <= RIGHT_EXEC; right <<= 1)
		if (rights & right && (!(bits & right) || !mount_lets(p, path, right)))
			refused |= right;
	return refused;
}

bool judge_maps(const struct plan *p, const char *path)
{
	return mount_lets(p, path, RIGHT_EXEC);
}

bool judge_private(const struct plan *p, const char *path)
{
	const struct step *s = mount_of(p, path);

	return s && s->kind == STEP_TMPFS && strcmp(path, s->path) != 0;
}

uint32_t judge_name(const struct plan *p, const char *path)
{
	char dir[4097];

	return path_parent(path, dir, sizeof(dir)) < 0 ? RIGHT_WRITE : judge(p, dir, RIGHT_WRITE);
}
