// SPDX-License-Identifier: GPL-2.0-or-later
/* The events of runs in audit mode, gathered: each path and endpoint once, with a count. */
#include "agentctl/learn/log.h"

#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentctl/daemon/event_lines.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/rights.h"

#define THINGS_MAX 100000 /* paths per tool, and endpoints: the fenced program fills the log */

static const char *event_str(const json_t *o, const char *a, const char *b)
{
	return json_string_value(json_object_get(json_object_get(o, a), b));
}

static uint64_t count_of(const json_t *o)
{
	json_int_t n = json_integer_value(json_object_get(json_object_get(o, "event"), "count"));

	return n > 0 ? (uint64_t)n : 1;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int make_room(void *list, size_t n, size_t *room, size_t size)
{
	void *more;

	if (n < *room)
		return 0;
	if (n >= THINGS_MAX)
		return -E2BIG;
	*room = *room ? *room * 2 : 256;
	more = reallocarray(*(void **)list, *room, size);
	if (!more)
		return -ENOMEM;
	*(void **)list = more;
	return 0;
}

int seen_add_path(struct seen *s, const struct seen_path *p)
{
	char *path;
	int r = make_room(&s->path, s->n_paths, &s->room_paths, sizeof(*s->path));

	if (r < 0 || !(path = strdup(p->path)))
		return r < 0 ? r : -ENOMEM;
	s->path[s->n_paths] = *p;
	s->path[s->n_paths++].path = path;
	return 0;
}

static int add_endpoint(struct seen *s, const struct seen_endpoint *p)
{
	struct seen_endpoint *e;
	int r = make_room(&s->endpoint, s->n_endpoints, &s->room_endpoints, sizeof(*s->endpoint));

	if (r < 0)
		return r;
	e = &s->endpoint[s->n_endpoints];
	*e = *p;
	e->suggest = p->suggest ? strdup(p->suggest) : NULL;
	e->name = strdup(p->name ? p->name : "");
	e->text = strdup(p->text ? p->text : "");
	s->n_endpoints++;
	return (p->suggest && !e->suggest) || !e->name || !e->text ? -ENOMEM : 0;
}

static int seen_by_path(const void *x, const void *y)
{
	const struct seen_path *a = x, *b = y;
	int d = strcmp(a->path, b->path);

	return d ? d : (int)a->right - (int)b->right;
}

static int seen_by_endpoint(const void *x, const void *y)
{
	const struct seen_endpoint *a = x, *b = y;
	int d = strcmp(a->suggest ? a->suggest : "", b->suggest ? b->suggest : "");

	return d ? d : strcmp(a->text, b->text);
}

/* Sorts, and joins equal ones. */
static void unite(struct seen *s)
{
	size_t n = 0;

	if (s->n_paths)
		qsort(s->path, s->n_paths, sizeof(*s->path), seen_by_path);
	for (size_t i = 0; i < s->n_paths; i++) {
		struct seen_path *p = &s->path[i], *last = n ? &s->path[n - 1] : NULL;

		if (!last || seen_by_path(last, p) != 0) {
			s->path[n++] = *p;
			continue;
		}
		last->count += p->count;
		last->directory |= p->directory;
		last->name |= p->name;
		last->made |= p->made;
		last->map &= p->map;
		free(p->path);
	}
	s->n_paths = n;
	n = 0;
	if (s->n_endpoints)
		qsort(s->endpoint, s->n_endpoints, sizeof(*s->endpoint), seen_by_endpoint);
	for (size_t i = 0; i < s->n_endpoints; i++) {
		struct seen_endpoint *p = &s->endpoint[i], *last = n ? &s->endpoint[n - 1] : NULL;

		if (!last || (p->suggest ? seen_by_endpoint(last, p) : 1) != 0) {
			s->endpoint[n++] = *p;
			continue;
		}
		last->count += p->count;
		last->dns &= p->dns;
		if (last->question && !p->question) { /* the packet says more */
			last->question = false;
			last->l4proto = p->l4proto;
			last->dst = p->dst;
			last->port = p->port;
		}
		free(p->suggest);
		free(p->name);
		free(p->text);
	}
	s->n_endpoints = n;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Back from str_escape. false: it is not of that form. */
static bool unescape(char *s)
{
	char *to = s;

	for (const char *p = s; *p;) {
		unsigned c;

		if (*p != '\\') {
			*to++ = *p++;
		} else if (p[1] == '\\') {
			*to++ = '\\';
			p += 2;
		} else if (p[1] == 'x' && sscanf(p + 2, "%2x", &c) == 1 && c) {
			*to++ = (char)c;
			p += 4;
		} else {
			return false;
		}
	}
	*to = '\0';
	return true;
}

static bool is(const char *s, const char *word)
{
	return s && strcmp(s, word) == 0;
}

static int add_file(struct seen *s, const json_t *o)
{
	const char *right = event_str(o, "agentfw", "right"),
		   *access = event_str(o, "agentfw", "access");
	const char *text = event_str(o, "file", "path");
	_cleanup_free_ char *path = text ? strdup(text) : NULL;
	struct seen_path p = {.path = path, .count = count_of(o)};
	int r = 0;

	if (!path || !right || !unescape(path) || path[0] != '/')
		return text && !path ? -ENOMEM : 0;
	p.directory = is(event_str(o, "file", "type"), "dir");
	p.made = is(access, "make");
	p.name = p.made || is(access, "create") || is(access, "remove") || is(access, "rename");
	p.map = is(access, "map");
	if (strstr(right, "exec")) {
		p.right = RIGHT_EXEC;
		r = seen_add_path(s, &p);
	}
	if (r == 0 && strstr(right, "write")) {
		p.right = RIGHT_WRITE;
		r = seen_add_path(s, &p);
	}
	if (r == 0 && strstr(right, "read")) {
		p.right = RIGHT_READ;
		p.name = p.made = false;
		r = seen_add_path(s, &p);
	}
	return r;
}

static uint8_t transport_of(const json_t *o)
{
	const char *word = event_str(o, "network", "transport");

	return is(word, "tcp")                             ? IPPROTO_TCP
	       : is(word, "udp")                           ? IPPROTO_UDP
	       : is(word, "icmp") || is(word, "ipv6-icmp") ? IPPROTO_ICMP
							   : 0;
}

static int add_network(struct seen *s, const json_t *o)
{
	const char *suggest = event_str(o, "agentfw", "suggest"),
		   *text = event_str(o, "agentfw", "endpoint"),
		   *name = event_str(o, "agentfw", "name"), *ip = event_str(o, "destination", "ip");
	const json_t *to = json_object_get(o, "destination");
	struct seen_endpoint e = {.name = (char *)name,
				  .text = (char *)(text ? text : name),
				  .dns = is(event_str(o, "agentfw", "code"), "dns-name"),
				  .inbound = is(event_str(o, "network", "direction"), "ingress"),
				  .question = json_object_get(o, "dns") != NULL,
				  .l4proto = transport_of(o),
				  .count = count_of(o)};

	if (ip && !addr_parse(ip, strlen(ip), &e.dst))
		e.dst = (struct addr){0};
	e.port = (uint16_t)json_integer_value(json_object_get(to, "port"));
	if (suggest)
		suggest += strspn(suggest, " ");
	if (suggest && suggest[0] == '-' && suggest[1] == ' ')
		e.suggest = (char *)suggest + 2;
	return add_endpoint(s, &e);
}

static struct seen *of_tool(struct seen_all *all, const char *tool)
{
	struct seen *s = &all->by[0];

	if (!all->n)
		all->n = 1;
	for (size_t i = 1; tool && i < all->n; i++)
		if (strcmp(all->by[i].tool, tool) == 0)
			return &all->by[i];
	if (!tool)
		return s;
	if (all->n == 1 + SEEN_TOOLS_MAX)
		return NULL;
	s = &all->by[all->n];
	s->tool = strdup(tool);
	all->n += s->tool != NULL;
	return s->tool ? s : NULL;
}

/* A tool's fence has the agent's name before its own. */
static bool of_fence(const json_t *o, const char *fence)
{
	const char *name = event_str(o, "agentfw", "fence");
	size_t n = fence ? strlen(fence) : 0;

	return !fence || (name && strncmp(name, fence, n) == 0 && (!name[n] || name[n] == '.'));
}

static int remember_policy(struct seen_all *all, const char *policy)
{
	if (!policy || (all->policy && strcmp(all->policy, policy) == 0))
		return 0;
	all->policies |= all->policy != NULL;
	free(all->policy);
	all->policy = strdup(policy);
	return all->policy ? 0 : -ENOMEM;
}

static int add_event(struct seen_all *all, const json_t *o, const char *fence, const char *policy)
{
	const char *action = event_str(o, "event", "action"),
		   *named = event_str(o, "agentfw", "policy");
	_cleanup_free_ char *of = named ? strdup(named) : NULL;
	struct seen *s;
	int r;

	if (named && !of)
		return -ENOMEM;
	if (of && !unescape(of))
		strcpy(of, named);

	if (is(action, "lost"))
		all->lost += (uint64_t)json_integer_value(
		    json_object_get(json_object_get(o, "agentfw"), "lost"));
	if (!of_fence(o, fence) || (policy && !is(of, policy)))
		return 0;
	all->fences += is(action, "fence_started") && !event_str(o, "agentfw", "tool");
	if (!is(action, "would_deny"))
		return 0;
	s = of_tool(all, event_str(o, "agentfw", "tool"));
	r = s ? remember_policy(all, of) : -E2BIG;
	if (r < 0)
		return r;
	return json_object_get(o, "file") ? add_file(s, o) : add_network(s, o);
}

static int read_lines(struct event_lines *lines, const char *fence, const char *policy,
		      struct seen_all *ret)
{
	enum event_line kind;
	const char *line;
	size_t n;
	int r = 0;

	while (r == 0 && (kind = event_lines_next(lines, true, &line, &n)) != EVENT_LINE_NONE) {
		json_t *o = kind == EVENT_LINE ? json_loadb(line, n, 0, NULL) : NULL;

		if (o)
			r = add_event(ret, o, fence, policy);
		json_decref(o);
	}
	return r < 0 ? r : -lines->error;
}

int seen_read(int fd, const char *file, const char *fence, const char *policy, struct seen_all *ret,
	      struct err *e)
{
	struct event_lines lines;
	int r = event_lines_begin(&lines, fd);

	ret->n = 1;
	if (r == 0)
		r = read_lines(&lines, fence, policy, ret);
	event_lines_done(&lines);
	for (size_t i = 0; i < ret->n; i++)
		unite(&ret->by[i]);
	if (r == -E2BIG)
		return err_set(
		    e, E2BIG, "there is too much in '%s' to learn from: over %d paths or endpoints",
		    file, THINGS_MAX);
	return r < 0 ? err_set(e, -r, "cannot read '%s': %s", file, strerror(-r)) : 0;
}

void seen_done(struct seen_all *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct seen *s = &all->by[i];

		for (size_t k = 0; k < s->n_paths; k++)
			free(s->path[k].path);
		for (size_t k = 0; k < s->n_endpoints; k++) {
			free(s->endpoint[k].suggest);
			free(s->endpoint[k].name);
			free(s->endpoint[k].text);
		}
		free(s->path);
		free(s->endpoint);
		free(s->tool);
	}
	free(all->policy);
	*all = (struct seen_all){0};
}
