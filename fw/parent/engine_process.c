// SPDX-License-Identifier: GPL-2.0-or-later
/* What the parent and the engine say to each other, and its life: with gate and asker it is
 * watched, and all three are started again when one of them dies. Meanwhile the queues have no
 * listener and the kernel drops. */
#include "fw/parent/engine_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fw/ipc/gate_msg.h"
#include "fw/parent/attribute.h"
#include "fw/parent/denials.h"
#include "fw/parent/fence.h"
#include "fw/parent/logs.h"
#include "fw/parent/processes.h"
#include "policy/base/cleanup.h"
#include "policy/base/clock.h"
#include "policy/base/log.h"

#define QUICK_DEATH_MS 1000 /* an engine that lived no longer is not started again at once */
#define SLOWEST_MS     8000 /* and seldom, when that goes on */
#define READ_AGAIN_MS  5
#define READY_MS       10000
#define START_TRIES    3
#define PATIENCE_MS    18000 /* for a fence that the engine does not answer about */
#define SILENT_TICKS   15    /* seconds; it is asked for its counts in each */
#define SILENT_TEXT    "15 seconds"
/* Of its messages, until others are served: clients, signals, the ring. */
#define TURN_MS       5
#define TURN_MESSAGES 64

/* Its socket tells its end; then a new one is started, and told of every fence. */
static void engine_kill(struct parent *p, const char *why)
{
	const struct process *engine = &p->processes[PROCESS_ENGINE];

	if (engine->pid <= 0)
		return;
	log_error("%s; it is started anew", why);
	kill(engine->pid, SIGKILL);
}

void engine_send(struct parent *p, const void *msg, size_t bytes, const int *fds, size_t n_fds)
{
	const struct watch *to = &p->processes[PROCESS_ENGINE].control;
	int r = to->active ? em_send(to->fd, msg, bytes, fds, n_fds) : -EPIPE;
	uint32_t type;

	memcpy(&type, msg, sizeof(type));
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		return;
	/* The messages that begin and end a fence must not be lost: a client waits for the
	 * answer. */
	if (type == EM_FENCE_ADD || type == EM_FENCE_DEL)
		engine_kill(p, "the engine takes no messages");
	else if (type != EM_GO && type != EM_STATS_ASK)
		log_warn("a message to the engine was lost: %s", strerror(-r));
}

void engine_gate(struct parent *p, uint32_t fence, uint16_t queue, int fd)
{
	const struct em_gate_queue add = {.type = EM_GATE_QUEUE, .fence = fence, .queue = queue};
	const struct em_gate_forget forget = {.type = EM_GATE_FORGET, .fence = fence};
	const struct watch *to = &p->processes[PROCESS_GATE].control;
	const uint32_t hear = GATE_HEAR;
	int r = -EPIPE;

	if (to->active && fd >= 0)
		r = em_send(to->fd, &add, sizeof(add), &fd, 1);
	else if (to->active)
		r = em_send(to->fd, &forget, sizeof(forget), NULL, 0);
	if (r ==
	    0) /* a pipe that is full is being read, and a fence that it does not know has it look */
		(void)!write(p->gate_pipe, &hear, sizeof(hear));
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		engine_kill(p, "the gate does not take what it is told");
}

static void fail_starting(struct pfence *f)
{
	const struct parent *p = f->parent;
	bool none = !p->engine_ready && p->engine_said.code;
	struct err e;

	err_set(&e, ETIMEDOUT, "the engine does not take the fence%s%s", none ? ": " : "",
		none ? p->engine_said.msg : "");
	if (none)
		err_hint(&e, "%s", p->engine_said.hint);
	pfence_fail(f, &e);
}

void engine_look(struct parent *p)
{
	struct pfence *next;

	if (p->fences && p->processes[PROCESS_ENGINE].control.active &&
	    ++p->engine_silent > SILENT_TICKS) {
		p->engine_silent = 0;
		engine_kill(p, "the engine has not answered for " SILENT_TEXT);
	}
	for (struct pfence *f = p->fences; f; f = next) {
		next = f->next;
		if (f->state == PFENCE_STARTING && loop_now_ms(p->loop) > f->asked_ms + PATIENCE_MS)
			fail_starting(f);
		else if (f->state == PFENCE_ENDING &&
			 loop_now_ms(p->loop) > f->ending_ms + PATIENCE_MS)
			pfence_last(f);
	}
}

static void on_want_socket(struct parent *p, const struct em_socket *m)
{
	struct em_socket reply = *m;
	struct pfence *f = pfence_find(p, m->fence);
	int fd = -EINVAL;

	if (f && m->server < f->n_servers)
		fd = host_connect(p->processes[PROCESS_ENGINE].uid, &f->servers[m->server],
				  m->socket_type);
	reply.type = EM_SOCKET;
	reply.error = fd < 0 ? fd : 0;
	engine_send(p, &reply, sizeof(reply), &fd, fd >= 0);
	if (fd >= 0)
		close(fd);
}

static int learn_some(struct parent *p, const struct pfence *f, const struct em_learn *m, bool add)
{
	struct learn_entry some[LEARN_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n && i < LEARN_MAX; i++)
		if (!m->entry[i].add == !add)
			some[n++] = m->entry[i];
	return n ? nft_learn(p->nft, f->id, some, n, !add) : 0;
}

/* Not one by one when it fails: each failure takes the kernel some milliseconds, and the engine may
 * be a stranger's. */
static void on_learn(struct parent *p, const struct em_learn *m)
{
	struct pfence *f = pfence_find(p, m->fence);
	int r;

	if (!f || f->state != PFENCE_LIVE || nft_learn(p->nft, f->id, m->entry, m->n, false) == 0)
		return;
	if ((r = learn_some(p, f, m, false)) < 0)
		log_error("fence %s: cannot remove addresses from the kernel's set: %s", f->name,
			  strerror(-r));
	if ((r = learn_some(p, f, m, true)) < 0) /* only costs the way to the engine */
		log_warn("fence %s: cannot add addresses to the kernel's set: %s", f->name,
			 strerror(-r));
}

static void on_failed(struct parent *p, const struct em_failed *m)
{
	char msg[4 * sizeof(m->msg)], hint[4 * sizeof(m->hint)];

	err_set(&p->engine_heard, m->code > 0 ? m->code : EIO, "%s",
		str_escape(msg, sizeof(msg), m->msg, strnlen(m->msg, sizeof(m->msg))));
	err_hint(&p->engine_heard, "%s",
		 str_escape(hint, sizeof(hint), m->hint, strnlen(m->hint, sizeof(m->hint))));
}

static void on_ready(struct parent *p, enum process_role role)
{
	p->processes[role].ready = true;
	if (!processes_ready(p))
		return;
	if (!p->engine_ready && p->engine_failures)
		log_warn("the engine is back");
	p->engine_ready = true;
}

/* r: of em_recv, no end and no error of the socket. NULL, or what the process did. */
static const char *on_message(struct parent *p, enum process_role role, const union em *m, int r,
			      size_t fences)
{
	const char *wrong = NULL;

	if (r < 0)
		wrong = "said what has a wrong length";
	else if (role == PROCESS_ENGINE)
		wrong =
		    engine_words_wrong(&p->engine_words, m, clock_mono_ms(), fences, p->last_fence);
	else if (m->type != EM_READY && m->type != EM_FAILED)
		wrong = "said what it never says";
	if (wrong)
		return wrong;
	switch ((enum em_type)m->type) {
	case EM_READY:
		on_ready(p, role);
		break;
	case EM_FAILED:
		on_failed(p, &m->failed);
		break;
	case EM_FENCE_READY:
		pfence_ready(p, &m->fence_ready);
		break;
	case EM_LEARN:
		on_learn(p, &m->learn);
		break;
	case EM_WANT_SOCKET:
		on_want_socket(p, &m->socket);
		break;
	case EM_STATS:
		pfence_stats(p, &m->stats);
		break;
	case EM_FENCE_ADD:
	case EM_FENCE_DEL:
	case EM_SOCKET:
	case EM_GO:
	case EM_STATS_ASK:
	case EM_GATE_QUEUE:
	case EM_GATE_FORGET:
		break;
	}
	return NULL;
}

void engine_close_queues(struct parent *p)
{
	while (p->n_closing)
		close(p->closing[--p->n_closing]);
}

void engine_close_later(struct parent *p, int fd)
{
	if (p->n_closing == ARRAY_SIZE(p->closing))
		engine_close_queues(p);
	p->closing[p->n_closing++] = fd;
}

static void process_died(struct parent *p, enum process_role role);

/* It is ended as one that has crashed. */
static void process_wrong(struct parent *p, enum process_role role, const char *what)
{
	err_set(&p->engine_heard, EPROTO, "the %s %s", process_name(role), what);
	process_died(p, role);
}

/* What it has left to say after a turn is still there in the next. */
static void on_process(struct watch *w, uint32_t events)
{
	struct parent *p = w->arg;
	enum process_role role = process_of(p, w);
	uint64_t end = clock_mono_ms() + TURN_MS;
	size_t fences = 0;

	for (const struct pfence *f = p->fences; f; f = f->next)
		fences++;
	for (unsigned i = 0; i < TURN_MESSAGES && clock_mono_ms() <= end; i++) {
		int fds[EM_FDS_MAX];
		const char *wrong;
		size_t n_fds;
		union em m;
		int r = em_recv(w->fd, &m, fds, &n_fds);

		for (size_t k = 0; k < n_fds; k++)
			close(fds[k]); /* nobody has any to give */
		if (r == -EINTR)
			continue;
		if (r <= 0 && r != -EBADMSG) {
			if (r != -EAGAIN)
				process_died(p, role);
			return;
		}
		if (role == PROCESS_ENGINE)
			p->engine_silent = 0;
		if ((wrong = on_message(p, role, &m, r, fences)))
			process_wrong(p, role, wrong);
		if (wrong || !w->active)
			return;
	}
}

static int engine_start(struct parent *p, struct err *e)
{
	ring_reset(p->ring);
	p->ring_lost = ring_lost(p->ring);
	p->engine_started_ms = clock_mono_ms();
	p->engine_silent = 0;
	p->engine_words = (struct engine_words){0};
	p->engine_ready = false;
	return processes_start(p, on_process, e);
}

static int engine_reap(struct parent *p, enum process_role first)
{
	p->engine_ready = false;
	return processes_reap(p, first);
}

/* Why: in its own words, else by how it ended. */
static void say_how(struct parent *p, enum process_role role, int status)
{
	p->engine_said = p->engine_heard;
	p->engine_heard = (struct err){0};
	if (p->engine_said.code)
		return;
	err_set(&p->engine_said, EIO, "the %s died (%s %d)", process_name(role),
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- the first one ------------------------------------------------------- */

/* One message; false: it has ended. */
static bool hear_one(struct parent *p, enum process_role role)
{
	int fds[EM_FDS_MAX], r;
	const char *wrong;
	size_t n_fds;
	union em m;

	r = em_recv(p->processes[role].control.fd, &m, fds, &n_fds);
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	if (r == -EAGAIN || r == -EINTR)
		return true;
	if (r <= 0 && r != -EBADMSG)
		return false;
	if ((wrong = on_message(p, role, &m, r, 0)))
		err_set(&p->engine_heard, EPROTO, "the %s %s", process_name(role), wrong);
	return true;
}

/* Returns the one that ended, or PROCESS_ROLES. */
static enum process_role hear_first(struct parent *p, uint64_t until_ms)
{
	while (!p->engine_ready && !p->engine_heard.code) {
		uint64_t now = clock_mono_ms();
		struct pollfd pfd[PROCESS_ROLES + 1];

		if (now >= until_ms) {
			err_set(&p->engine_heard, ETIMEDOUT,
				"the engine was not ready within %d seconds", READY_MS / 1000);
			break;
		}
		for (size_t i = 0; i < PROCESS_ROLES; i++) /* who is ready says no more */
			pfd[i] =
			    (struct pollfd){.fd = p->processes[i].control.fd, .events = POLLIN};
		pfd[PROCESS_ROLES] = (struct pollfd){.fd = p->signals.fd, .events = POLLIN};
		if (poll(pfd, PROCESS_ROLES + 1, (int)(until_ms - now)) <= 0)
			continue;
		if (pfd[PROCESS_ROLES].revents) {
			err_set(&p->engine_heard, EINTR, "agentfwd was told to end");
			break;
		}
		for (enum process_role role = 0; role < PROCESS_ROLES; role++)
			if (pfd[role].revents && !hear_one(p, role))
				return role;
	}
	return PROCESS_ROLES;
}

/* Several tries: an engine may have been killed by accident. */
int engine_begin(struct parent *p, struct err *e)
{
	uint64_t until = clock_mono_ms() + READY_MS;

	for (unsigned i = 0; i < START_TRIES; i++) {
		enum process_role first;
		int r;

		p->engine_heard = (struct err){0};
		if ((r = engine_start(p, e)) < 0)
			return r;
		first = hear_first(p, until);
		if (p->engine_ready && !p->engine_heard.code)
			return 0;
		first %= PROCESS_ROLES;
		say_how(p, first, engine_reap(p, first));
		if (p->engine_said.code == EINTR)
			break;
	}
	*e = p->engine_said;
	return -e->code;
}

/* ---- those that follow --------------------------------------------------- */

/* The pause before the next engine: longer with each early death in a row. */
static uint64_t pause_ms(const struct parent *p)
{
	uint64_t ms = QUICK_DEATH_MS;

	for (unsigned i = 1; i < p->engine_failures && ms < SLOWEST_MS; i++)
		ms *= 2;
	return p->engine_failures ? ms : 0;
}

/* The fences' part: an event for each engine that was ready, and an end to waits for the engine. */
static void tell_fences(struct parent *p, bool was_ready)
{
	struct pfence *next;

	for (struct pfence *f = p->fences; f; f = next) {
		next = f->next;
		if (was_ready) {
			record_state(f->log->record, &f->rf, "engine_restarted", NULL, NULL);
			record_flush(f->log->record);
		}
		if (f->state == PFENCE_ENDING)
			pfence_last(f);
		else if (f->state == PFENCE_STARTING && p->engine_failures >= START_TRIES)
			fail_starting(f);
	}
}

static void start_again(struct parent *p, uint64_t in_ms);

static void restart(struct timer *t)
{
	struct parent *p = t->arg;
	struct err e;

	if (!ring_read(p->ring, ring_end(p->ring))) { /* what the last one has said */
		start_again(p, READ_AGAIN_MS);
		return;
	}
	if (engine_start(p, &e) < 0) {
		if (strcmp(p->engine_said.msg, e.msg) != 0)
			log_error("%s", e.msg);
		p->engine_said = e;
		p->engine_restarts++;
		p->engine_failures++;
		tell_fences(p, false);
		start_again(p, pause_ms(p));
		return;
	}
	for (struct pfence *f = p->fences; f; f = f->next) {
		f->queue_tries = 0;
		f->queue_dropped = 0;
		f->ring_lost = 0;
		nft_unlearn_all(p->nft, f->id);
		pfence_announce(f);
	}
}

static void start_again(struct parent *p, uint64_t in_ms)
{
	timer_cancel(p->loop, &p->engine_restart);
	p->engine_restart = (struct timer){.fn = restart, .arg = p};
	timer_set(p->loop, &p->engine_restart, loop_now_ms(p->loop) + in_ms);
}

static void process_died(struct parent *p, enum process_role role)
{
	bool was_ready = p->engine_ready;
	bool quick = !was_ready || clock_mono_ms() < p->engine_started_ms + QUICK_DEATH_MS;
	struct err before = p->engine_said;

	say_how(p, role, engine_reap(p, role));
	for (struct pfence *f = p->fences; f; f = f->next)
		pfence_close_queue(f);
	denials_read(p);
	denials_lost(p);
	if (p->stopping)
		return;
	p->engine_restarts++;
	p->engine_failures = quick ? p->engine_failures + 1 : 0;
	if (!quick || p->engine_failures == 1 || strcmp(before.msg, p->engine_said.msg) != 0)
		log_error("%s; unverified traffic is dropped until the engine is back",
			  p->engine_said.msg);
	tell_fences(p, was_ready);
	if (!p->going)
		start_again(p, pause_ms(p));
}
