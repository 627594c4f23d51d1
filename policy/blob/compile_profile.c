// SPDX-License-Identifier: GPL-2.0-or-later
/* Profiles and the tools' own networks, as parts of a blob. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/blob/compiling.h"
#include "policy/profile.h"

int compile_profile(struct compile *c, const char *name, unsigned line, unsigned col,
		    uint32_t *ret_index)
{
	struct blob_profile p = {.line = line, .col = col}, *to;
	int e = compiling_string(c, name, &p.name);

	if (e < 0)
		return e;
	to = compiling_add(&c->profiles, 1);
	if (!to)
		return -ENOMEM;
	*to = p;
	*ret_index = (uint32_t)c->profiles.n - 1;
	return 0;
}

bool compile_find_profile(const struct compile *c, const char *name)
{
	const struct blob_profile *p = c->profiles.p;

	for (size_t i = 1; i < c->profiles.n; i++)
		if (strcmp((const char *)c->strings.p + p[i].name, name) == 0)
			return true;
	return false;
}

struct blob_profile *compile_profile_at(struct compile *c, uint32_t index)
{
	return (struct blob_profile *)c->profiles.p + index;
}

/* A profile's elements of one array are added one after the other, so a range holds them. */
static void extend(struct blob_range *r, size_t at)
{
	if (!r->n)
		r->first = (uint32_t)at;
	r->n++;
}

int compile_path(struct compile *c, uint32_t profile, const struct blob_path *p, const char *path)
{
	struct blob_path b = *p, *to;
	int e = compiling_string(c, path, &b.path);

	if (e < 0)
		return e;
	to = compiling_add(&c->paths, 1);
	if (!to)
		return -ENOMEM;
	*to = b;
	extend(&compile_profile_at(c, profile)->paths, c->paths.n - 1);
	return 0;
}

int compile_env(struct compile *c, uint32_t profile, const char *name, const char *value)
{
	struct blob_env env = {.set = value != NULL}, *to;
	int e = compiling_string(c, name, &env.name);

	if (e < 0 || (e = compiling_string(c, value, &env.value)) < 0)
		return e;
	to = compiling_add(&c->env, 1);
	if (!to)
		return -ENOMEM;
	*to = env;
	extend(&compile_profile_at(c, profile)->env, c->env.n - 1);
	return 0;
}

static int add_word(struct compile *c, const char *word)
{
	uint32_t at, *to;
	int e = compiling_string(c, word, &at);

	if (e < 0)
		return e;
	to = compiling_add(&c->words, 1);
	if (!to)
		return -ENOMEM;
	*to = at;
	return 0;
}

int compile_command(struct compile *c, uint32_t profile, const char *word)
{
	int e = add_word(c, word);

	if (e == 0)
		extend(&compile_profile_at(c, profile)->command, c->words.n - 1);
	return e;
}

int compile_unprotect(struct compile *c, uint32_t profile, const char *name)
{
	int e = add_word(c, name);

	if (e == 0)
		extend(&compile_profile_at(c, profile)->unprotect, c->words.n - 1);
	return e;
}

int compile_profile_strings(struct compile *c, uint32_t profile, const char *user, const char *cwd)
{
	struct blob_profile *p = compile_profile_at(c, profile);
	int e = compiling_string(c, user, &p->user);

	return e < 0 ? e : compiling_string(c, cwd, &p->cwd);
}

int compile_workspace(struct compile *c, const char *path)
{
	return compiling_string(c, path, &c->h.workspace);
}

/* ---- a tool's own network ------------------------------------------------ */

static const char *string_at(const struct compile *c, uint32_t at)
{
	return at ? (const char *)c->strings.p + at : NULL;
}

/* map[i]: the index in c of the deny rule i of `from`. */
static int inherit_deny_rules(struct compile *c, const struct compile *from, uint32_t *map)
{
	const struct blob_rule *rules = from->rules.p;
	const struct blob_extra *extras = from->extras.p;

	for (uint32_t i = 0; i < from->rules.n; i++) {
		struct compile_rule r = {.deny = true};
		struct blob_rule b = rules[i], *to;
		int e;

		if (!b.deny)
			continue;
		r.reason = b.extra == BLOB_NONE ? NULL : string_at(from, extras[b.extra].reason);
		if ((e = compiling_string(c, string_at(from, b.text), &b.text)) < 0 ||
		    (e = compiling_extra(c, &r, &b.extra)) < 0)
			return e;
		to = compiling_add(&c->rules, 1);
		if (!to)
			return -ENOMEM;
		*to = b;
		map[i] = (uint32_t)c->rules.n - 1;
	}
	return 0;
}

static int inherit_matches(struct compile *c, const struct compile *from, const uint32_t *map)
{
	const struct blob_rule *old = from->rules.p, *new = c->rules.p;
	const struct blob_entry *entries = from->entries.p;
	const struct blob_addr_rule *addrs = from->addr_rules.p;

	for (size_t i = 0; i < from->entries.n; i++) {
		struct blob_entry e = entries[i], *to;

		if (!(e.bits & BLOB_DENY))
			continue;
		to = compiling_add(&c->entries, 1);
		if (!to)
			return -ENOMEM;
		e.name = new[map[e.rule]].text + (e.name - old[e.rule].text);
		e.rule = map[e.rule];
		*to = e;
	}
	for (size_t i = 0; i < from->addr_rules.n; i++) {
		struct blob_addr_rule a = addrs[i], *to;

		if (!a.deny)
			continue;
		to = compiling_add(&c->addr_rules, 1);
		if (!to)
			return -ENOMEM;
		a.rule = map[a.rule];
		*to = a;
	}
	return 0;
}

static int inherit_dns(struct compile *c, const struct compile *from)
{
	const struct blob_pin *pins = from->pins.p;
	const struct blob_server *servers = from->servers.p;
	int e = 0;

	for (size_t i = 0; e == 0 && i < from->servers.n; i++)
		e = compile_server(c, &servers[i].addr, servers[i].port);
	for (size_t i = 0; e == 0 && i < from->pins.n; i++) {
		struct blob_pin pin = pins[i], *to;

		if ((e = compiling_string(c, string_at(from, pin.name), &pin.name)) < 0)
			break;
		to = compiling_add(&c->pins, 1);
		if (!to)
			return -ENOMEM;
		*to = pin;
	}
	return e;
}

int compile_inherit(struct compile *c, const struct compile *from, uint32_t profile)
{
	const struct blob_profile *own = (const struct blob_profile *)from->profiles.p + profile;
	_cleanup_free_ uint32_t *map = calloc(from->rules.n + 1, sizeof(*map));
	int e = map ? inherit_deny_rules(c, from, map) : -ENOMEM;

	compile_profile_at(c, PROFILE_AGENT)->flags |= own->flags & BLOB_PROFILE_BEST_EFFORT;
	c->h.mode = from->h.mode;
	c->h.snaplen = from->h.snaplen;
	if (e < 0 || (e = inherit_matches(c, from, map)) < 0)
		return e;
	return inherit_dns(c, from);
}

int compile_net(struct compile *c, uint32_t profile, const void *blob, size_t bytes)
{
	size_t at = (c->nets.n + 7) & ~(size_t)7, end = at + bytes;
	struct blob_profile *p = compile_profile_at(c, profile);
	size_t before = c->nets.n;
	char *to = compiling_add(&c->nets, end - before);

	if (!to)
		return -ENOMEM;
	memset(to, 0, end - before);
	memcpy((char *)c->nets.p + at, blob, bytes);
	p->net = (uint32_t)at;
	p->net_bytes = (uint32_t)bytes;
	return 0;
}
