// SPDX-License-Identifier: GPL-2.0-or-later
/* The life of a fence in the parent: sets up cgroup, sockets, engine and rules, and takes them
 * down. */
#include "fw/parent/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fw/ipc/holes.h"
#include "fw/ipc/sockdiag.h"
#include "fw/parent/control.h"
#include "fw/parent/engine_process.h"
#include "fw/parent/epoch.h"
#include "fw/parent/logs.h"
#include "fw/parent/parent.h"
#include "fw/parent/queue.h"
#include "fw/parent/wall_events.h"
#include "policy/base/cleanup.h"
#include "policy/base/clock.h"
#include "policy/base/log.h"

#define QUEUE_FIRST     20000
#define QUEUE_LAST      59999
#define QUEUE_TRIES     256
#define QUEUE_AGAIN_MS  10
#define KILL_LOOK_MS    2
#define KILL_GIVE_UP_MS 5000
#define POLICY_SEALS    (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct pfence *pfence_find(struct parent *p, uint32_t id)
{
	struct pfence *f = p->fences;

	while (f && f->id != id)
		f = f->next;
	return f;
}

/* ---- taking down --------------------------------------------------------- */

static void pfence_free(struct pfence *f)
{
	struct parent *p = f->parent;
	struct pfence **at = &p->fences;

	while (*at && *at != f)
		at = &(*at)->next;
	if (*at)
		*at = f->next;
	timer_cancel(p->loop, &f->timer);
	pfence_close_queue(f);
	host_dns_sockets_close(&f->dns);
	if (f->log)
		log_close(p, f->log);
	place_remove(&f->place);
	policy_free(f->policy);
	if (f->blob)
		munmap(f->blob, f->blob_bytes);
	if (f->policy_fd >= 0)
		close(f->policy_fd);
	free(f);
	parent_check_idle(p);
}

static bool asks(const struct pfence *f, const struct name_server *s)
{
	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].port == s->port && addr_equal(&f->servers[i].addr, &s->addr))
			return true;
	return false;
}

/* Those that no other fence asks. One that starts has not put its own in yet, and may never. */
static void forget_name_servers(const struct pfence *f)
{
	struct name_server list[NAME_SERVERS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < f->n_servers; i++) {
		const struct pfence *o = f->parent->fences;

		while (o && (o == f || o->state == PFENCE_STARTING || !asks(o, &f->servers[i])))
			o = o->next;
		if (!o)
			list[n++] = f->servers[i];
	}
	if (n)
		nft_name_servers(f->parent->nft, list, n, false);
}

static void nft_view(const struct pfence *f, struct nft_fence *ret)
{
	*ret = (struct nft_fence){.id = f->id,
				  .scope = f->place.scope,
				  .epoch = f->epoch,
				  .queue = f->queue,
				  .dns_port = f->dns.port,
				  .policy = f->policy};
}

uint64_t pfence_allowed(struct pfence *f)
{
	return f->allowed + nft_fence_passed(f->parent->nft, f->id);
}

uint64_t pfence_lost(const struct pfence *f)
{
	return record_counts(f->log->record).lost - f->lost_before;
}

/* What is left in a socket's buffer must not get out afterwards. Sockets that no process holds are
 * destroyed while the fence's rules still let the resets to the peers pass. Those that were passed
 * to other processes follow at the next tick: until then the table's rules let the cgroup reach
 * nothing. */
static void destroy_sockets(struct pfence *f)
{
	struct parent *p = f->parent;

	if (host_tcp_orphans())
		sockdiag_destroy_cgroups(p->sockdiag_fd, &f->place.scope.cgroup_id, 1);
	if (p->n_ended == SOCKDIAG_CGROUPS_MAX)
		pfence_destroy_handed_on(p);
	p->ended[p->n_ended++] = f->place.scope.cgroup_id;
}

void pfence_destroy_handed_on(struct parent *p)
{
	if (p->n_ended)
		sockdiag_destroy_cgroups(p->sockdiag_fd, p->ended, p->n_ended);
	p->n_ended = 0;
}

/* The fence's processes have ended: removes its rules, and sends the summary. */
static void pfence_finish(struct pfence *f)
{
	struct parent *p = f->parent;
	struct ctl_summary s = {0};
	struct nft_fence nf;
	uint64_t allowed = pfence_allowed(f);
	int r;

	pfence_wall_end(f);
	forget_name_servers(f);
	nft_view(f, &nf);
	r = nft_fence_del(p->nft, &nf);
	if (r < 0)
		log_error("fence %s: cannot remove its rules: %s", f->name, strerror(-r));
	record_state(f->log->record, &f->rf, "fence_ended", &allowed, &f->refused);
	record_flush(f->log->record);
	s.allowed = allowed;
	s.refused = f->refused;
	s.would_deny = f->would_deny;
	s.packets = f->packets;
	s.write_errno = (uint64_t)abs(record_error(f->log->record));
	s.lost = pfence_lost(f);
	s.going = p->going;
	s.n_last = f->n_last;
	memcpy(s.last, f->last, sizeof(s.last));
	if (f->client)
		client_summary(f->client, &s);
	pfence_free(f);
}

static void look_at_queue(struct pfence *f)
{
	_cleanup_free_ struct host_queue *queues = NULL;
	size_t n = host_queues(&queues);

	pfence_tick(f, queues, n);
}

static void kill_timer(struct timer *t)
{
	struct pfence *f = t->arg;
	struct parent *p = f->parent;
	struct em_fence_del del = {.type = EM_FENCE_DEL, .fence = f->id};

	if (place_populated(&f->place) && loop_now_ms(p->loop) < f->ending_ms + KILL_GIVE_UP_MS) {
		place_kill(&f->place);
		timer_set(p->loop, t, loop_now_ms(p->loop) + KILL_LOOK_MS);
		return;
	}
	destroy_sockets(f);
	look_at_queue(f); /* the kernel tells a queue's losses only while it is bound */
	f->state = PFENCE_ENDING;
	if (p->processes[PROCESS_ENGINE].pid > 0)
		engine_send(p, &del, sizeof(del), NULL, 0);
	else
		pfence_last(f);
}

static void end_before_begun(struct pfence *f)
{
	struct em_fence_del del = {.type = EM_FENCE_DEL, .fence = f->id};
	struct client *c = f->client;
	struct err e;

	engine_send(f->parent, &del, sizeof(del), NULL, 0);
	place_kill(&f->place);
	pfence_free(f);
	err_set(&e, ECANCELED, "the fence was ended before it had begun");
	if (c)
		client_fence_failed(c, &e);
}

void pfence_end(struct pfence *f)
{
	struct parent *p = f->parent;

	if (f->state == PFENCE_KILLING || f->state == PFENCE_ENDING)
		return;
	if (f->state == PFENCE_STARTING) {
		end_before_begun(f);
		return;
	}
	f->state = PFENCE_KILLING;
	f->ending_ms = loop_now_ms(p->loop);
	f->timer.fn = kill_timer;
	place_kill(&f->place);
	kill_timer(&f->timer);
}

void pfence_stats(struct parent *p, const struct em_stats *m)
{
	struct pfence *f = pfence_find(p, m->fence);

	if (!f)
		return;
	f->allowed = m->allowed;
	if (m->lost > f->ring_lost) {
		p->ring_lost += m->lost - f->ring_lost;
		record_lost(f->log->record, m->lost - f->ring_lost,
			    "the engine was faster than the log");
		f->ring_lost = m->lost;
	}
	if (f->state == PFENCE_ENDING && m->last)
		pfence_last(f);
}

/* They are not read here: a ring can hold more than a turn has time for. */
void pfence_last(struct pfence *f)
{
	struct parent *p = f->parent;

	if (!f->last_said)
		f->read_to = ring_end(p->ring);
	f->last_said = true;
	if (ring_read(p->ring, f->read_to))
		pfence_finish(f);
	else
		timer_set(p->loop, &p->ring_more, 0);
}

void pfence_read(struct parent *p)
{
	struct pfence *next;

	for (struct pfence *f = p->fences; f; f = next) {
		next = f->next;
		if (f->state == PFENCE_ENDING && f->last_said && ring_read(p->ring, f->read_to))
			pfence_finish(f);
	}
}

/* ---- putting up ---------------------------------------------------------- */

static int check_policy(struct pfence *f, int fd, struct err *e)
{
	struct stat st;

	f->policy_fd = fd;
	if (fd < 0 || fcntl(fd, F_GET_SEALS) < 0 ||
	    ((fcntl(fd, F_GET_SEALS) & POLICY_SEALS) != POLICY_SEALS && !hole("seals")) ||
	    fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > EM_POLICY_MAX)
		return err_set(e, EINVAL, "the policy must come as a sealed memfd");
	f->blob_bytes = (size_t)st.st_size;
	f->blob = mmap(NULL, f->blob_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (f->blob == MAP_FAILED) {
		f->blob = NULL;
		return err_set(e, errno, "cannot map the policy: %s", strerror(errno));
	}
	return policy_open(f->blob, f->blob_bytes, &f->policy, e);
}

static void name_servers(struct pfence *f)
{
	size_t n = policy_dns_servers(f->policy);

	if (!n) {
		f->n_servers = host_name_servers(f->servers, NAME_SERVERS_MAX);
		return;
	}
	for (size_t i = 0; i < n && i < NAME_SERVERS_MAX; i++)
		policy_dns_server(f->policy, f->n_servers++, &f->servers[i].addr,
				  &f->servers[i].port);
}

static int next_epoch(struct pfence *f, struct err *e)
{
	const char *dir = f->parent->run_dir;
	bool lost;
	int r = epoch_next(dir, &f->epoch, &lost, e);

	if (r == 0 && lost)
		log_warn("%s/epoch did not hold the last number; numbers go on at a random place",
			 dir);
	return r;
}

static void next_queue(struct pfence *f)
{
	struct parent *p = f->parent;
	struct pfence *o;

	do {
		p->last_queue = p->last_queue < QUEUE_FIRST || p->last_queue == QUEUE_LAST
				    ? QUEUE_FIRST
				    : p->last_queue + 1;
		for (o = p->fences; o && (o == f || o->queue != p->last_queue); o = o->next)
			;
	} while (o);
	f->queue = p->last_queue;
}

/* Not bound: nothing of the fence passes. The socket may be the last one that leads there. */
void pfence_close_queue(struct pfence *f)
{
	if (f->queue_fd < 0)
		return;
	queue_unbind(f->queue_fd, f->queue);
	engine_gate(f->parent, f->id, f->queue, -1);
	engine_close_later(f->parent, steal_fd(&f->queue_fd));
}

/* Rules point to the number of a fence that lives; another tries the next one. */
static int bind_queue(struct pfence *f)
{
	int r = -EBUSY;

	pfence_close_queue(f);
	for (unsigned i = 0; i < QUEUE_TRIES && r == -EBUSY; i++) {
		if (f->state == PFENCE_STARTING)
			next_queue(f);
		r = queue_open(f->queue);
		if (f->state != PFENCE_STARTING)
			break;
	}
	if (r < 0)
		return r;
	f->queue_fd = r;
	engine_gate(f->parent, f->id, f->queue, f->queue_fd);
	return 0;
}

static void announce(struct pfence *f)
{
	struct em_fence_add m = {.type = EM_FENCE_ADD,
				 .fence = f->id,
				 .scope = f->place.scope,
				 .policy_bytes = f->blob_bytes,
				 .has_udp4 = f->dns.udp4 >= 0,
				 .has_tcp4 = f->dns.tcp4 >= 0,
				 .has_udp6 = f->dns.udp6 >= 0,
				 .has_tcp6 = f->dns.tcp6 >= 0,
				 .audit = f->audit,
				 .n_servers = (uint8_t)f->n_servers,
				 .dns_port = f->dns.port};
	const int sockets[] = {f->dns.udp4, f->dns.tcp4, f->dns.udp6, f->dns.tcp6};
	int fds[EM_FDS_MAX] = {f->policy_fd, f->queue_fd};
	size_t n = 2;

	for (size_t i = 0; i < 4; i++)
		if (sockets[i] >= 0)
			fds[n++] = sockets[i];
	engine_send(f->parent, &m, sizeof(m), fds, n);
}

static void announce_again(struct timer *t)
{
	pfence_announce(t->arg);
}

void pfence_announce(struct pfence *f)
{
	struct err e;
	int r = bind_queue(f);

	if (r == 0) {
		announce(f);
	} else if (f->state == PFENCE_LIVE && ++f->queue_tries < QUEUE_TRIES) {
		f->timer.fn = announce_again;
		timer_set(f->parent->loop, &f->timer,
			  loop_now_ms(f->parent->loop) + QUEUE_AGAIN_MS);
	} else {
		err_set(&e, -r, "cannot bind a queue of the kernel's: %s", strerror(-r));
		pfence_fail(f, &e);
	}
}

static int pfence_prepare(struct pfence *f, const struct ctl_create *m, int policy_fd,
			  struct err *e)
{
	int r = check_policy(f, policy_fd, e);

	if (r < 0)
		return r;
	f->audit = (m->flags & CTL_CREATE_AUDIT) || policy_mode(f->policy) == MODE_AUDIT;
	snprintf(f->command, sizeof(f->command), "%s", m->command);
	snprintf(f->tool, sizeof(f->tool), "%s", m->tool);
	name_servers(f);
	if ((r = next_epoch(f, e)) < 0 ||
	    (r = host_dns_sockets(f->parent->processes[PROCESS_ENGINE].uid, &f->dns, e)) < 0 ||
	    (r = place_make(&f->place, f->parent->cgroup_root, f->parent->run_dir, m->name, f->name,
			    e)) < 0 ||
	    (r = pfence_wall(f, e)) < 0)
		return r;
	f->lost_before = record_counts(f->log->record).lost;
	f->rf = (struct record_fence){.name = f->name,
				      .lacks = f->wall_lacks[0] ? f->wall_lacks : NULL,
				      .policy = f->policy,
				      .command = f->command,
				      .tool = f->tool[0] ? f->tool : NULL};
	return 0;
}

int pfence_create(struct parent *p, struct client *c, const struct ctl_create *m,
		  struct log_dir *log, int policy_fd, struct err *e)
{
	struct pfence *f = calloc(1, sizeof(*f));
	int r;

	if (!f) {
		close(policy_fd);
		return err_set(e, ENOMEM, "out of memory");
	}
	f->parent = p;
	f->client = c;
	f->log = log_share(log);
	f->place.fd = f->policy_fd = f->queue_fd = -1;
	f->dns = (struct dns_sockets){-1, -1, -1, -1, 0};
	f->timer.arg = f;
	r = pfence_prepare(f, m, policy_fd, e);
	if (r < 0) {
		f->client = NULL;
		pfence_free(f);
		return r;
	}
	f->id = ++p->last_fence;
	f->since_ns = clock_wall_ns();
	f->asked_ms = loop_now_ms(p->loop);
	f->next = p->fences;
	p->fences = f;
	r = bind_queue(f);
	if (r < 0) {
		f->client = NULL;
		pfence_free(f);
		return err_set(e, -r, "cannot bind a queue of the kernel's: %s", strerror(-r));
	}
	announce(f);
	return 0;
}

void pfence_fail(struct pfence *f, const struct err *e)
{
	struct client *c = f->client;

	f->client = NULL;
	pfence_end(f);
	if (c)
		client_fence_failed(c, e);
}

/* The engine has bound the queue: only now may the rules send packets to it. */
void pfence_ready(struct parent *p, const struct em_fence_ready *m)
{
	struct pfence *f = pfence_find(p, m->fence);
	struct nft_fence nf;
	struct err e;

	if (!f || f->state == PFENCE_KILLING || f->state == PFENCE_ENDING)
		return;
	if (m->error) {
		err_set(&e, -m->error, "the engine could not take the fence: %s",
			strerror(-m->error));
		pfence_fail(f, &e);
		return;
	}
	if (f->state == PFENCE_LIVE)
		return; /* the engine was restarted: the rules are there */
	nft_view(f, &nf);
	if (nft_fence_add(p->nft, &nf, &e) < 0) {
		pfence_fail(f, &e);
		return;
	}
	if (f->n_servers && nft_name_servers(p->nft, f->servers, f->n_servers, true) < 0)
		log_error("fence %s: its name servers could not be put into the rules", f->name);
	f->state = PFENCE_LIVE;
	record_state(f->log->record, &f->rf, "fence_started", NULL, NULL);
	record_flush(f->log->record);
	client_created(f->client, f);
}

void pfence_tick(struct pfence *f, const struct host_queue *queues, size_t n)
{
	uint64_t dropped = host_queue_dropped(queues, n, f->queue);

	if (dropped <= f->queue_dropped) /* less: the list could not be read */
		return;
	record_lost(f->log->record, dropped - f->queue_dropped,
		    "the queue to the engine was full; the packets were dropped");
	f->queue_dropped = dropped;
}
