// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/engine.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fw/engine/ask.h"
#include "fw/engine/drop.h"
#include "fw/engine/fence.h"
#include "fw/engine/hash.h"
#include "fw/engine/held.h"
#include "fw/engine/road.h"
#include "policy/base/cleanup.h"
#include "policy/base/clock.h"

#define SWEEP_MS      100
#define SWEEP_BUCKETS (NAMES_BUCKETS / 128) /* per fence and turn: all of them in 13 seconds */
#define SWEEP_ENTRIES 512
#define LOCAL_MS      1000
#define LAST_BATCHES  512     /* of 32 packets: more than a queue holds */
#define CLOSE_NS      1000000 /* packets that come closer than this are a stream */
#define TRY_AGAIN     8 /* turns of one packet, until it is tried whether yielding brings more */
#define CONTROL_BATCH 1024

/* ---- fences -------------------------------------------------------------- */

static struct fence *fence_find(struct engine *e, uint32_t id)
{
	struct fence *f = e->fences;

	while (f && f->id != id)
		f = f->next;
	return f;
}

static void fence_free(struct fence *f)
{
	if (!f)
		return;
	if (f->resolver)
		resolver_fence_del(f->resolver);
	verdict_wait_forget(f->engine->waits, f);
	held_refuse_all(f);
	loop_del(f->engine->loop, &f->packets);
	nfq_free(f->nfq);
	learned_done(&f->learned);
	names_free(f->names);
	policy_free(f->policy);
	if (f->blob)
		munmap(f->blob, f->blob_bytes);
	free(f);
}

static int fence_policy(struct fence *f, int fd, uint64_t bytes)
{
	void *blob;

	if (!bytes || bytes > EM_POLICY_MAX)
		return -EINVAL;
	blob = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (blob == MAP_FAILED)
		return -errno;
	f->blob = blob;
	f->blob_bytes = bytes;
	return policy_open(blob, bytes, &f->policy, NULL);
}

/* fds: the DNS sockets in this order, without those that do not exist. */
static int fence_resolver(struct engine *e, struct fence *f, const struct em_fence_add *m, int *fds,
			  size_t n_fds)
{
	const uint8_t has[4] = {m->has_udp4, m->has_tcp4, m->has_udp6, m->has_tcp6};
	struct resolver_fence_config c = {.policy = f->policy,
					  .audit = f->audit,
					  .fence = f->id,
					  .fence_arg = f,
					  .budget = &f->budget,
					  .n_servers = m->n_servers};
	int *const out[4] = {&c.udp4, &c.tcp4, &c.udp6, &c.tcp6};
	size_t at = 0;

	for (size_t i = 0; i < 4; i++) {
		*out[i] = -1;
		if (has[i] && at == n_fds)
			return -EBADMSG;
		if (has[i])
			*out[i] = steal_fd(&fds[at++]);
	}
	return resolver_fence_add(e->resolver, &c, &f->resolver);
}

/* In a stream with more than one packet per turn the engine yields: senders that wait for the same
 * processor run first, so each turn has more packets and there are fewer turns. */
static void on_packets(struct watch *w, uint32_t events)
{
	struct fence *f = w->arg;
	struct engine *e = f->engine;

	uint64_t now = clock_mono_ns();
	bool stream = now - e->packets_ns < CLOSE_NS;

	if (stream && (e->packets_last > 1 || ++e->alone % TRY_AGAIN == 0))
		sched_yield();
	e->packets_last = nfq_receive(f->nfq);
	e->packets_ns = now;
}

static int fence_queue(struct engine *e, struct fence *f, int *fd)
{
	int r = nfq_new(steal_fd(fd), f->id, road_packet, f, &f->nfq);

	if (r < 0)
		return r;
	f->packets = (struct watch){
	    .fd = nfq_descriptor(f->nfq), .fn = on_packets, .arg = f, .budget = &f->budget};
	return loop_add(e->loop, &f->packets, EPOLLIN);
}

static int fence_make(struct engine *e, const struct em_fence_add *m, int *fds, size_t n_fds,
		      struct fence **ret)
{
	struct fence *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->engine = e;
	f->id = m->fence;
	f->scope = m->scope;
	f->dns_port = m->dns_port;
	f->audit = m->audit;
	learned_init(&f->learned, e->loop, f->id);
	if (n_fds < 2 || fence_find(e, m->fence))
		r = -EINVAL;
	else if ((r = fence_policy(f, fds[0], m->policy_bytes)) == 0 &&
		 (r = names_new(f->policy, &f->names)) == 0 &&
		 (r = flows_new(e->loop, held_flow_gone, &f->flows)) == 0 &&
		 (r = fence_resolver(e, f, m, fds + 2, n_fds - 2)) == 0)
		r = fence_queue(e, f, &fds[1]);
	if (r < 0) {
		fence_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

static void on_fence_add(struct engine *e, const struct em_fence_add *m, int *fds, size_t n_fds)
{
	struct em_fence_ready ready = {.type = EM_FENCE_READY, .fence = m->fence};
	struct fence *f = NULL;

	ready.error = fence_make(e, m, fds, n_fds, &f);
	if (f) {
		f->next = e->fences;
		e->fences = f;
	}
	em_send(ENGINE_FD_CONTROL, &ready, sizeof(ready), NULL, 0);
}

static struct em_stats stats_of(const struct fence *f)
{
	return (struct em_stats){
	    .type = EM_STATS, .fence = f->id, .allowed = f->allowed, .lost = f->lost};
}

static void on_stats_ask(struct engine *e)
{
	const struct em_stats here = {.type = EM_STATS};

	for (struct fence *f = e->fences; f; f = f->next) {
		const struct em_stats s = stats_of(f);

		if (f->allowed == f->allowed_sent && f->lost == f->lost_sent)
			continue;
		f->allowed_sent = f->allowed;
		f->lost_sent = f->lost;
		em_send(ENGINE_FD_CONTROL, &s, sizeof(s), NULL, 0);
	}
	em_send(ENGINE_FD_CONTROL, &here, sizeof(here), NULL, 0);
}

static void on_fence_del(struct engine *e, uint32_t id)
{
	struct fence **at = &e->fences, *f;
	struct em_stats s;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	f = *at;
	if (!f)
		return;
	for (int i = 0; i < LAST_BATCHES && nfq_receive(f->nfq) > 0; i++)
		; /* the fence's last attempts belong in the log */
	*at = f->next;
	held_refuse_all(f);
	s = stats_of(f);
	s.last = true;
	fence_free(f); /* the parent has the queue's socket, too: to close it here takes no time */
	em_send(ENGINE_FD_CONTROL, &s, sizeof(s), NULL, 0);
}

/* A round ends when the parent has read all that was in the ring at its beginning. So a fence has
 * no more in the ring than it put there in two rounds. */
bool engine_tell(struct fence *f, const struct ring_denial *rd, const void *packet)
{
	struct engine *e = f->engine;
	uint64_t used = ring_used(e->ring), at = ring_position(e->ring);
	bool ok;

	if (at - used >= e->round_end) {
		e->round++;
		e->round_end = at;
	}
	if (f->round != e->round) {
		f->round = e->round;
		f->told_bytes = 0;
	}
	ok = used < RING_BYTES / 2 || f->told_bytes < RING_BYTES / 4;
	if (!ok)
		ring_lose(e->ring);
	else
		ok = ring_put(e->ring, rd, sizeof(*rd), packet, rd->cap_bytes);
	if (ok)
		f->told_bytes += sizeof(*rd) + rd->cap_bytes;
	else
		f->lost++;
	return ok;
}

/* ---- what the resolver asks for -------------------------------------------------------------- */

static void want_socket(void *arg, struct resolver_fence *rf, unsigned server, int type)
{
	struct fence *f = resolver_fence_arg(rf);
	struct em_socket m = {
	    .type = EM_WANT_SOCKET, .fence = f->id, .server = server, .socket_type = type};

	em_send(ENGINE_FD_CONTROL, &m, sizeof(m), NULL, 0);
}

/* The engine knows the pairs from here on. The kernel's sets may follow later: they only save
 * packets without payload the way to the engine. */
static void learn(void *arg, struct resolver_fence *rf, const struct name *name,
		  const struct addr *addrs, const bool *plain, size_t n, uint32_t ttl_s)
{
	struct engine *e = arg;
	struct fence *f = resolver_fence_arg(rf);

	for (size_t i = 0; i < n; i++) {
		struct learn_entry *out = learned_room(&f->learned, OPENINGS_MAX);
		size_t more = 0;

		if (names_learn(f->names, name, &addrs[i], plain[i], ttl_s, loop_now_ms(e->loop),
				out, out ? OPENINGS_MAX : 0, &more) == 0)
			learned_put(&f->learned, more);
	}
	learned_send(&f->learned);
}

static uint64_t forgotten(void *arg, struct resolver_fence *rf)
{
	return names_dropped(((struct fence *)resolver_fence_arg(rf))->names);
}

static uint32_t dns_denied(void *arg, struct resolver_fence *rf, const struct denial *d)
{
	struct engine *e = arg;
	struct ring_denial rd = {.denial = *d};

	rd.denial.go = d->go ? verdict_wait_ticket(e->waits, VERDICT_REPLY) : 0;
	return engine_tell(resolver_fence_arg(rf), &rd, NULL) ? rd.denial.go : 0;
}

/* Cached: an answer may have hundreds of addresses, often the same ones again, and each look-up in
 * the routing table takes two system calls. */
static bool is_local(void *arg, const struct addr *a)
{
	struct engine *e = arg;
	struct local_known *k = &e->local[hash_bytes(hash_key(), a->b, sizeof(a->b)) % LOCAL_CACHE];
	uint64_t now = loop_now_ms(e->loop);

	if (k->until_ms <= now || !addr_equal(&k->addr, a)) {
		int r = ask_local(a);

		if (r < 0) /* it may be: what may lead here is not learned */
			return true;
		*k = (struct local_known){*a, r == 1, now + LOCAL_MS};
	}
	return k->local;
}

/* What is_local knows already is asked again: a look at what is not would cost as much code. */
static void will_ask(void *arg, const struct addr *list, size_t n)
{
	struct engine *e = arg;
	uint64_t now = loop_now_ms(e->loop);
	int32_t local[ASK_MANY];

	for (size_t at = 0; at < n; at += ASK_MANY) {
		size_t some = n - at < ASK_MANY ? n - at : ASK_MANY;

		ask_local_many(list + at, some, local);
		for (size_t i = 0; i < some; i++) {
			const struct addr *a = &list[at + i];

			if (local[i] >= 0)
				e->local[hash_bytes(hash_key(), a->b, sizeof(a->b)) % LOCAL_CACHE] =
				    (struct local_known){*a, local[i] == 1, now + LOCAL_MS};
		}
	}
}

/* ---- the loop ------------------------------------------------------------ */

static void sweep_timer(struct timer *t)
{
	struct engine *e = t->arg;

	for (struct fence *f = e->fences; f; f = f->next) {
		struct learn_entry *out;

		if (names_empty(f->names))
			continue;
		out = learned_room(&f->learned, SWEEP_ENTRIES);
		if (out)
			learned_put(&f->learned, names_expire(f->names, loop_now_ms(e->loop),
							      SWEEP_BUCKETS, out, SWEEP_ENTRIES));
		learned_send(&f->learned);
	}
	timer_set(e->loop, t, loop_now_ms(e->loop) + SWEEP_MS);
}

static void on_message(struct engine *e, const union em *m, int *fds, size_t n_fds)
{
	struct fence *f;

	switch ((enum em_type)m->type) {
	case EM_FENCE_ADD:
		on_fence_add(e, &m->fence_add, fds, n_fds);
		break;
	case EM_FENCE_DEL:
		on_fence_del(e, m->fence_del.fence);
		break;
	case EM_SOCKET:
		f = fence_find(e, m->socket.fence);
		if (f && m->socket.server < NAME_SERVERS_MAX)
			resolver_socket(f->resolver, m->socket.server, m->socket.socket_type,
					n_fds ? steal_fd(&fds[0]) : -1);
		break;
	case EM_GO:
		verdict_wait_go(e->waits, m->go.go);
		break;
	case EM_STATS_ASK:
		on_stats_ask(e);
		break;
	case EM_FENCE_READY:
	case EM_LEARN:
	case EM_WANT_SOCKET:
	case EM_STATS:
	case EM_READY:
	case EM_FAILED:
	case EM_GATE_QUEUE:
	case EM_GATE_FORGET:
		break;
	}
}

/* Many messages per turn: they must not pile up behind a flood of packets or questions. */
static void on_control(struct watch *w, uint32_t events)
{
	struct engine *e = w->arg;
	struct budget turn = {0};

	budget_begin(&turn, 1);
	for (int i = 0; i < CONTROL_BATCH && budget_left(&turn); i++) {
		int fds[EM_FDS_MAX];
		size_t n_fds;
		union em m;
		int r = em_recv(w->fd, &m, fds, &n_fds);

		if (r == -EAGAIN)
			return;
		if (r == 0 || (r < 0 && r != -EINTR && r != -EBADMSG)) {
			loop_stop(e->loop); /* the parent has died: unverified flows stay blocked */
			return;
		}
		if (r > 0)
			on_message(e, &m, fds, n_fds);
		for (size_t k = 0; k < n_fds; k++)
			if (fds[k] >= 0)
				close(fds[k]);
	}
}

/* Nobody reads at the other end of the pipe: the gate has ended. */
static void on_gone(struct watch *w, uint32_t events)
{
	loop_stop(((struct engine *)w->arg)->loop);
}

static int engine_init(struct engine *e)
{
	static const struct resolver_ops ops = {.want_socket = want_socket,
						.learn = learn,
						.forgotten = forgotten,
						.denied = dns_denied,
						.is_local = is_local,
						.will_ask = will_ask};
	int r = loop_new(&e->loop);

	if (r < 0 || (r = ring_map(ENGINE_FD_RING, ENGINE_FD_RING_EV, &e->ring)) < 0 ||
	    (r = verdict_wait_new(e->loop, &e->waits)) < 0 ||
	    (r = resolver_new(e->loop, &ops, e, e->waits, &e->resolver)) < 0)
		return r;
	e->control = (struct watch){.fd = ENGINE_FD_CONTROL, .fn = on_control, .arg = e};
	e->gate = (struct watch){.fd = ENGINE_FD_GATE, .fn = on_gone, .arg = e};
	e->sweep_timer = (struct timer){.fn = sweep_timer, .arg = e};
	if ((r = loop_add(e->loop, &e->control, EPOLLIN)) < 0 ||
	    (r = loop_add(e->loop, &e->gate, 0)) < 0)
		return r;
	return timer_set(e->loop, &e->sweep_timer, loop_now_ms(e->loop) + SWEEP_MS);
}

int engine_run(uint32_t uid, struct err *err)
{
	const struct em_ready ready = {.type = EM_READY};
	struct engine *e = calloc(1, sizeof(*e));
	int r = e ? engine_init(e) : -ENOMEM;

	const struct sched_param param = {0};

	prctl(PR_SET_NAME, "agentfw-engine");
	sched_setscheduler(0, SCHED_BATCH, &param); /* an arriving packet preempts no sender */
	if (r < 0) {
		err_set(err, -r, "engine: cannot start: %s", strerror(-r));
		return em_failed(ENGINE_FD_CONTROL, err);
	}
	if (engine_drop(uid, err) < 0)
		return em_failed(ENGINE_FD_CONTROL, err);
	em_send(ENGINE_FD_CONTROL, &ready, sizeof(ready), NULL, 0);
	if ((r = loop_run(e->loop)) < 0) {
		err_set(err, -r, "engine: %s", strerror(-r));
		return em_failed(ENGINE_FD_CONTROL, err);
	}
	/* Nothing is freed: the process ends here. */
	return 0;
}
