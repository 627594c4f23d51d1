// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls that the socket wall refused, each on its way into the record; and per tick the number of
 * packets that it dropped. */
#include "fw/parent/wall_events.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "fw/bpf/wall.h"
#include "fw/ipc/holes.h"
#include "fw/parent/attribute.h"
#include "fw/parent/denials.h"
#include "fw/parent/logs.h"
#include "fw/parent/parent.h"
#include "policy/base/clock.h"
#include "policy/base/log.h"
#include "policy/profile.h"

#define TURN_EVENTS 64 /* then other work is served */

/* ---- one event ------------------------------------------------------------------------------- */

static const char *protocol_name(const struct wall_event *ev, char *buf, size_t bytes)
{
	const char *type = ev->type == SOCK_STREAM  ? "stream"
			   : ev->type == SOCK_DGRAM ? "datagram"
			   : ev->type == SOCK_RAW   ? "raw"
						    : NULL;

	if (ev->type == SOCK_STREAM && ev->protocol == IPPROTO_TCP)
		return "tcp";
	if (ev->type == SOCK_DGRAM && ev->protocol == IPPROTO_UDP)
		return "udp";
	if (type)
		snprintf(buf, bytes, "%s/%u", type, ev->protocol);
	else
		snprintf(buf, bytes, "%u/%u", ev->type, ev->protocol);
	return buf;
}

static struct addr address(const struct wall_event *ev)
{
	return ev->family == AF_INET    ? addr_from_v4(ev->addr)
	       : ev->family == AF_INET6 ? addr_from_v6(ev->addr)
					: (struct addr){0};
}

static void of_option(const struct wall_event *ev, struct denial *d)
{
	static const struct {
		int32_t level;
		const char *name;
	} levels[] = {{SOL_SOCKET, "SOL_SOCKET"},
		      {IPPROTO_IP, "SOL_IP"},
		      {IPPROTO_TCP, "SOL_TCP"},
		      {IPPROTO_UDP, "SOL_UDP"},
		      {IPPROTO_IPV6, "SOL_IPV6"}};
	const char *why, *name = wall_option_name(ev->level, ev->option, &why), *level = NULL;
	char l[24], o[24];

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (levels[i].level == ev->level)
			level = levels[i].name;
	snprintf(l, sizeof(l), "%d", ev->level);
	snprintf(o, sizeof(o), "%d", ev->option);
	d->code = DENIED_SOCKET_OPTION;
	snprintf(d->endpoint, sizeof(d->endpoint), "setsockopt(%s, %s)", level ? level : l,
		 name ? name : o);
	snprintf(d->detail, sizeof(d->detail), "%s",
		 why ? why : "not in the list of what programs need");
}

/* An endpoint in the policy's grammar. */
static void of_address(const struct wall_event *ev, struct denial *d)
{
	static const char *const verbs[WALL_KIND_COUNT] = {
	    [WALL_BIND] = "bind",
	    [WALL_CONNECT] = "connect",
	    [WALL_SENDMSG] = "sendmsg",
	    [WALL_SOURCE] = "as the source of a datagram",
	    [WALL_OTHER_SOURCE] = "as the source of a datagram, by a socket "
				  "with another address",
	    [WALL_UNTIED] = "by a socket that was disconnected, so that "
			    "its port may be another's"};
	char text[ADDR_STRLEN], buf[24];

	d->code = DENIED_SOCKET_ADDRESS;
	d->dst = address(ev);
	d->dport = (uint16_t)ev->port;
	addr_format(&d->dst, text);
	snprintf(d->endpoint, sizeof(d->endpoint),
		 d->dst.family == 6 ? "%s://[%s]:%u" : "%s://%s:%u",
		 protocol_name(ev, buf, sizeof(buf)), text, ev->port);
	snprintf(d->detail, sizeof(d->detail), "%s: %s", verbs[ev->kind],
		 addr_kind_name(addr_kind(&d->dst)));
}

static void of_socket(const struct wall_event *ev, struct denial *d)
{
	char buf[24];

	d->code = DENIED_SOCKET_TYPE;
	snprintf(d->endpoint, sizeof(d->endpoint), "socket(%s, %s)",
		 ev->family == AF_INET6 ? "AF_INET6" : "AF_INET",
		 protocol_name(ev, buf, sizeof(buf)));
}

/* Adds what only /proc has. The process may have ended and its number be reused: exe and arguments
 * are taken only if the name is still the same. */
static void complete(const struct wall_event *ev, struct process_info *who)
{
	const char *end = memchr(ev->comm, '\0', sizeof(ev->comm));
	int n = (int)(end ? end - ev->comm : (ptrdiff_t)sizeof(ev->comm));

	if (!attribute_pid((pid_t)ev->pid, who) || strncmp(who->name, ev->comm, (size_t)n) != 0)
		who->exe[0] = who->cmdline[0] = '\0';
	who->pid = (pid_t)ev->pid;
	who->uid = ev->uid;
	snprintf(who->name, sizeof(who->name), "%.*s", n, ev->comm);
}

static struct pfence *fence_of(struct parent *p, uint64_t cgroup)
{
	struct pfence *f = p->fences;

	while (f && f->place.scope.cgroup_id != cgroup)
		f = f->next;
	return f;
}

static void one(void *arg, const struct wall_event *ev)
{
	static struct process_info who;
	struct parent *p = arg;
	struct pfence *f = fence_of(p, ev->cgroup);
	struct denial d = {.time_ns = clock_wall_ns(), .uid = ev->uid, .rule = RULE_NONE};
	enum attribution how = ATTRIBUTED_EXACT;

	if (!f || !f->log || ev->kind < WALL_SOCKET || ev->kind >= WALL_KIND_COUNT)
		return;
	d.fence = f->id;
	d.l4proto = ev->protocol < 256 ? (uint8_t)ev->protocol : 0;
	if (ev->kind == WALL_SETSOCKOPT)
		of_option(ev, &d);
	else if (ev->kind == WALL_SOCKET)
		of_socket(ev, &d);
	else
		of_address(ev, &d);
	memset(&who, 0, sizeof(who));
	if (ev->pid)
		complete(ev, &who);
	else
		how = attribute_process(f->place.fd, 0, &who);
	if (!record_folding(f->log->record, &f->rf, &d)) {
		denial_remember(f, &d);
		f->refused++;
	}
	record_denial(f->log->record, &f->rf, &d, NULL, 0, 0, how,
		      how == ATTRIBUTED_NONE ? NULL : &who);
}

static void on_wall(struct watch *w, uint32_t events)
{
	struct parent *p = w->arg;

	wall_read(p->wall, TURN_EVENTS, one, p); /* events that are left wake the loop again */
	for (struct log_dir *l = p->logs; l; l = l->next)
		record_flush(l->record);
}

/* ---- once a tick, and at the end ------------------------------------------------------------- */

static void tell_dropped(struct pfence *f, enum wall_drop why, uint64_t n)
{
	static const char *const reasons[WALL_DROP_COUNT] = {
	    [WALL_DROP_UNJUDGED] = "the socket wall stopped packets without a verdict of the rules",
	    [WALL_DROP_STAYS] = "the socket wall stopped packets that were to stay on the machine",
	    [WALL_DROP_LOOPBACK] =
		"the socket wall stopped packets to a loopback address that were "
		"about to leave by another device",
	    [WALL_DROP_BOUND] = "the socket wall stopped packets of a socket that is bound to a "
				"device",
	    [WALL_DROP_SOURCE] = "the socket wall stopped datagrams whose answers another process "
				 "would get",
	};

	record_lost(f->log->record, n, reasons[why]);
}

void pfence_wall_tick(struct pfence *f)
{
	struct parent *p = f->parent;
	struct wall_counts *told = &f->wall_told, c;

	if (!p->wall || f->wall_lacks[0] || wall_count(p->wall, f->place.scope.cgroup_id, &c) < 0)
		return;
	for (unsigned i = 0; i < WALL_DROP_COUNT; i++)
		if (c.dropped[i] > told->dropped[i])
			tell_dropped(f, i, c.dropped[i] - told->dropped[i]);
	if (c.lost > told->lost)
		record_lost(f->log->record, c.lost - told->lost,
			    "the socket wall refused more calls than are written one by one");
	*told = c;
}

void pfence_wall_end(struct pfence *f)
{
	struct parent *p = f->parent;

	if (p->wall)
		wall_read(p->wall, WALL_RING_BYTES / sizeof(struct wall_event), one, p);
	pfence_wall_tick(f);
}

/* ---- beginning ------------------------------------------------------------------------------- */

/* A daemon starts without a wall; a fence only if its policy says best_effort. */
int wall_setup(struct parent *p)
{
	struct err e;

	if (flight_new(&p->flight, &e) < 0)
		log_debug("%s", e.msg);
	if (hole_without_wall())
		err_set(&p->wall_error, ENOSYS, "left out for a test");
	else
		wall_new(&p->wall, &p->wall_error);
	if (!p->wall) {
		log_debug("%s", p->wall_error.msg);
		return 0;
	}
	p->wall_ready = (struct watch){.fd = wall_fd(p->wall), .fn = on_wall, .arg = p};
	return loop_add(p->loop, &p->wall_ready, EPOLLIN);
}

/* Before a process is in the cgroup. */
int pfence_wall(struct pfence *f, struct err *e)
{
	struct parent *p = f->parent;
	struct profile profile;
	struct err lacks = p->wall_error, no_flight;
	int r = p->wall ? wall_attach(p->wall, f->place.fd, f->place.scope.cgroup_id, &lacks)
			: -lacks.code;

	if (p->flight && flight_attach(p->flight, f->place.fd, &no_flight) < 0)
		log_debug("%s", no_flight.msg);
	if (r >= 0)
		return 0;
	policy_profile(f->policy, PROFILE_AGENT, &profile);
	if (!profile.best_effort && !hole_without_wall()) {
		*e = lacks;
		return r;
	}
	snprintf(f->wall_lacks, sizeof(f->wall_lacks), "%s", lacks.msg);
	return 0;
}
