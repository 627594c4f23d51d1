// SPDX-License-Identifier: GPL-2.0-or-later
/* The learned names are the attacker's, who may know ways to make text mean something else. So each
 * line is read as a policy is, and must mean what was learned. */
#include "agentctl/learn/trip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentctl/learn/files.h"
#include "policy/base/cleanup.h"
#include "policy/profile.h"

static int by_line(const void *x, const void *y)
{
	const struct learned *a = *(const struct learned *const *)x;
	const struct learned *b = *(const struct learned *const *)y;

	return (a->line > b->line) - (a->line < b->line);
}

/* Those that have a line, by it. */
static struct learned **sorted(const struct learned_all *all, size_t *ret_n)
{
	struct learned **ret = calloc(all->n + 1, sizeof(struct learned *));

	*ret_n = 0;
	for (size_t i = 0; ret && i < all->n; i++)
		if (all->list[i].line)
			ret[(*ret_n)++] = &all->list[i];
	if (ret && *ret_n)
		qsort(ret, *ret_n, sizeof(struct learned *), by_line);
	return ret;
}

/* The first of a line. */
static size_t trip_find(struct learned *const *list, size_t n, unsigned line)
{
	size_t from = 0, to = n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (list[mid]->line < line)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static void leave_out(struct learned *x, const char *why)
{
	if (!x->why_not[0])
		snprintf(x->why_not, sizeof(x->why_not), "left out: %.180s", why);
}

/* ---- what the reader says against it --------------------------------------------------------- */

static int blame(const struct diags *d, struct learned *const *list, size_t n, bool *ret_left_out,
		 struct err *e)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct diag *x = &d->list[i];
		size_t k = trip_find(list, n, x->line);
		bool ours = k < n && list[k]->line == x->line;

		for (; k < n && list[k]->line == x->line; k++)
			leave_out(list[k], x->msg);
		*ret_left_out |= ours;
		if (ours || x->warning)
			continue;
		err_set(e, EINVAL, "what was learned makes no policy: line %u: %s", x->line,
			x->msg);
		return err_hint(e, "%s", x->hint);
	}
	return 0;
}

/* ---- what has become of it ------------------------------------------------------------------- */

/* Of one learned thing, over all that has its line. */
struct found {
	unsigned same, other;
};

static void compare_rule(const struct policy *p, uint32_t i, const struct learned *x,
			 struct found *f)
{
	const struct learn_entry *want = &x->entry;
	struct endpoint ep;
	struct rule r;

	policy_rule(p, i, &r);
	if (x->endpoint && !r.deny && !r.ingress && !r.group && !r.broad &&
	    endpoint_parse(r.text, strlen(r.text), &ep, NULL, NULL) == 0 &&
	    endpoint_equal(&ep, &want->ep) && (!want->ech || r.ech_allow) &&
	    (!want->at || policy_rule_address_ok(p, i, &want->address.addr)))
		f->same++;
	else
		f->other++;
}

static void compare_path(const struct profile_path *p, const struct learned *x, struct found *f)
{
	if (x->path && p->right == x->path->right && strcmp(p->path, x->path->path) == 0 &&
	    p->broad == x->path->broad && p->optional == x->path->optional)
		f->same++;
	else
		f->other++;
}

static bool is_of(const struct learned *x, const char *tool)
{
	return tool ? x->tool && strcmp(x->tool, tool) == 0 : !x->tool;
}

/* Counts, for what was learned of one program, what stands in its lines. */
static void compare(const struct policy *p, size_t profile, struct learned *const *list, size_t n,
		    struct learned *first, struct found *found)
{
	struct profile prof;
	struct policy *own = NULL;
	const struct policy *net = p;
	size_t bytes;
	const void *blob = profile_network(p, profile, &bytes);

	policy_profile(p, profile, &prof);
	if (profile != PROFILE_AGENT)
		net = blob && policy_open(blob, bytes, &own, NULL) == 0 ? own : NULL;
	for (uint32_t i = 0; net && i < policy_rules(net); i++) {
		struct rule r;

		policy_rule(net, i, &r);
		for (size_t k = trip_find(list, n, r.line); k < n && list[k]->line == r.line; k++)
			if (is_of(list[k], prof.name))
				compare_rule(net, i, list[k], &found[list[k] - first]);
	}
	for (size_t i = 0; i < prof.n_paths; i++) {
		struct profile_path path;

		profile_path(p, profile, i, &path);
		for (size_t k = trip_find(list, n, path.line); k < n && list[k]->line == path.line;
		     k++)
			if (is_of(list[k], prof.name))
				compare_path(&path, list[k], &found[list[k] - first]);
	}
	policy_free(own);
}

static int compare_all(const struct policy *p, const struct learned_all *all,
		       struct learned *const *list, size_t n, bool *ret_left_out)
{
	_cleanup_free_ struct found *found = calloc(all->n + 1, sizeof(*found));

	if (!found)
		return -ENOMEM;
	for (size_t i = 0; i < policy_profiles(p); i++)
		compare(p, i, list, n, all->list, found);
	for (size_t i = 0; i < all->n; i++) {
		struct learned *x = &all->list[i];

		if (!x->node || (found[i].same == 1 && !found[i].other))
			continue;
		leave_out(x, "read again, it is something else");
		*ret_left_out = true;
	}
	return 0;
}

int trip(const char *text, size_t len, const char *file, const struct learned_all *all,
	 bool *ret_left_out, struct err *e)
{
	size_t n, bytes = 0;
	_cleanup_free_ struct learned **list = sorted(all, &n);
	struct policy *p = NULL;
	void *blob = NULL;
	struct diags d;
	int r;

	*ret_left_out = false;
	if (!list)
		return err_set(e, ENOMEM, "out of memory");
	r = policy_compile(file, text, len, &d, &blob, &bytes);
	if (r == 0 || d.n_errors)
		r = blame(&d, list, n, ret_left_out, e);
	else
		err_set(e, -r, "what was learned cannot be compiled: %s", strerror(-r));
	diags_done(&d);
	if (r == 0 && !*ret_left_out && (r = policy_open(blob, bytes, &p, e)) == 0 &&
	    (r = compare_all(p, all, list, n, ret_left_out)) < 0)
		err_set(e, -r, "out of memory");
	policy_free(p);
	free(blob);
	return r;
}
