// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fw/parent/control.h"
#include "fw/parent/denials.h"
#include "fw/parent/engine_process.h"
#include "fw/parent/epoch.h"
#include "fw/parent/fence.h"
#include "fw/parent/left.h"
#include "fw/parent/logs.h"
#include "fw/parent/run_dir.h"
#include "fw/parent/uids.h"
#include "fw/parent/wall_events.h"
#include "policy/base/cleanup.h"
#include "policy/base/clock.h"
#include "policy/base/log.h"

#define TICK_MS       1000
#define IDLE_MS       5000
#define CLEAN_MS      1500
#define FILES_MAX     65536
#define FILES_MIN     256
#define GOING_MS      2000 /* for the engine's last counts; then the engine is killed */
#define GOING_ALL_MS  7000 /* more than a fence's processes get to die */
#define DYING_MS      500
#define DYING_LOOK_MS 10
#define CGROUP_TRIES  1000

/* ---- timers and signals ---------------------------------------------------------------------- */

/* In every log: the kernel does not tell whose packets they were. */
static void tell_stray(struct parent *p)
{
	uint64_t stray = p->fences ? nft_stray(p->nft) : p->stray;

	for (struct log_dir *l = p->logs; l && stray > p->stray; l = l->next)
		record_lost(l->record, stray - p->stray,
			    "packets were about to leave by another device than was judged, which "
			    "their socket named, or had lost our mark to other rules; dropped");
	p->stray = stray;
}

static void on_tick(struct timer *t)
{
	struct parent *p = t->arg;
	_cleanup_free_ struct host_queue *queues = NULL;
	const struct em_stats ask = {.type = EM_STATS_ASK};
	size_t n = p->fences ? host_queues(&queues) : 0;

	if (p->fences)
		engine_send(p, &ask, sizeof(ask), NULL, 0);
	for (struct pfence *f = p->fences; f; f = f->next) {
		f->attributions = 0;
		f->attribution_ns = 0;
		if (f->state == PFENCE_LIVE) {
			pfence_tick(f, queues, n);
			pfence_wall_tick(f);
		}
	}
	engine_look(p);
	engine_close_queues(p);
	pfence_destroy_handed_on(p);
	tell_stray(p);
	for (struct log_dir *l = p->logs; l; l = l->next)
		record_tick(l->record, clock_wall_ns());
	timer_set(p->loop, t, loop_now_ms(p->loop) + TICK_MS);
}

/* Cleans up after other daemons, once no client waits for this one to start. */
static void on_clean(struct timer *t)
{
	const struct parent *p = t->arg;

	run_dir_clean(p->run_dir);
}

static struct left left_of(const struct parent *p)
{
	return (struct left){.root = p->cgroup_root,
			     .run_dir = p->run_dir,
			     .alone = nft_owned(p->nft),
			     .sockdiag_fd = p->sockdiag_fd};
}

/* While a process lives behind the rules they stay, and so does the daemon: without rules it would
 * be free. */
static void on_idle(struct timer *t)
{
	struct parent *p = t->arg;
	const struct left left = left_of(p);

	if (!left_alive(&left)) {
		loop_stop(p->loop);
		return;
	}
	if (!p->told_alive)
		log_warn("processes live in %s; the rules stay until they have ended",
			 p->cgroup_root);
	p->told_alive = true;
	timer_set(p->loop, t, loop_now_ms(p->loop) + IDLE_MS);
}

static void on_going(struct timer *t)
{
	struct parent *p = t->arg;

	if (loop_now_ms(p->loop) >= p->going_ms + GOING_ALL_MS) {
		loop_stop(p->loop);
		return;
	}
	if (p->processes[PROCESS_ENGINE].pid > 0)
		kill(p->processes[PROCESS_ENGINE].pid, SIGKILL);
	timer_set(p->loop, t, p->going_ms + GOING_ALL_MS);
}

void parent_go(struct parent *p)
{
	struct pfence *next;
	struct err e;

	control_stop(p);
	if (p->going || !p->fences) { /* told twice: end at once */
		loop_stop(p->loop);
		return;
	}
	p->going = true;
	p->going_ms = loop_now_ms(p->loop);
	p->going_on = (struct timer){.fn = on_going, .arg = p};
	timer_set(p->loop, &p->going_on, p->going_ms + GOING_MS);
	err_set(&e, ESHUTDOWN, "agentfwd was told to end");
	for (struct pfence *f = p->fences; f; f = next) {
		next = f->next;
		if (f->state == PFENCE_STARTING)
			pfence_fail(f, &e);
		else
			pfence_end(f);
	}
}

void parent_check_idle(struct parent *p)
{
	timer_cancel(p->loop, &p->idle);
	if (p->going && !p->fences)
		loop_stop(p->loop);
	if (p->options.idle_exit && !p->fences && !p->clients && !p->stopping)
		timer_set(p->loop, &p->idle, loop_now_ms(p->loop) + IDLE_MS);
}

static void on_signal(struct watch *w, uint32_t events)
{
	struct parent *p = w->arg;
	struct signalfd_siginfo si;

	if (read(w->fd, &si, sizeof(si)) != sizeof(si))
		return;
	/* The kernel sends SIGHUP to a process group with a stopped process (the engine) when the
	 * process that started it ends: nobody has asked us to end. */
	if (si.ssi_signo == SIGHUP && si.ssi_code == SI_KERNEL && p->options.idle_exit)
		return;
	parent_go(p);
}

static void on_ring(struct watch *w, uint32_t events)
{
	char wakes[4096];

	(void)!read(w->fd, wakes, sizeof(wakes));
	denials_read(w->arg);
}

static void on_ring_more(struct timer *t)
{
	denials_read(t->arg);
}

/* ---- start --------------------------------------------------------------- */

/* A daemon of another network namespace that ends removes the directory while it is empty. */
static int make_cgroup_root(const struct parent *p, struct stat *ret, struct err *e)
{
	for (unsigned i = 0; i < CGROUP_TRIES; i++) {
		if (mkdir(p->cgroup_root, 0755) < 0 && errno != EEXIST)
			break;
		if (stat(p->cgroup_root, ret) == 0)
			return 0;
		if (errno != ENOENT)
			break;
	}
	return err_set(e, errno, "cannot make the cgroup %s: %s", p->cgroup_root, strerror(errno));
}

static int setup_rules(struct parent *p, struct err *e)
{
	struct stat st;
	int r = nft_new(&p->nft, e);

	if (r < 0)
		return r;
	nft_last_look(p->nft, p->wall);
	nft_engine_uid(p->nft, p->processes[PROCESS_ENGINE].uid);
	r = make_cgroup_root(p, &st, e);
	if (r < 0 || (r = nft_install(p->nft, st.st_ino, e)) < 0)
		return r;
	p->installed = true;
	return 0;
}

/* After the new rules are in place: what was left reaches nothing meanwhile. */
static void end_what_was_left(struct parent *p)
{
	const struct left left = left_of(p);

	left_end(&left);
	if (epoch_is_lost(p->run_dir))
		log_warn("%s/epoch does not hold the last number; numbers go on at a random place",
			 p->run_dir);
}

static int setup_cgroup(struct parent *p, struct err *e)
{
	char mount[2900];
	int r = host_cgroup_mount(mount, sizeof(mount), e);

	if (r < 0)
		return r;
	snprintf(p->cgroup_root, sizeof(p->cgroup_root), "%s/" CTL_CGROUP_DIR, mount);
	return 0;
}

static int setup_signals(struct parent *p)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	p->signals = (struct watch){
	    .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .fn = on_signal, .arg = p};
	return p->signals.fd < 0 ? -errno : loop_add(p->loop, &p->signals, EPOLLIN);
}

/* The engine wakes us by a pipe, whose two ends are open separately. What has one opening, like an
 * eventfd, has one O_NONBLOCK: an engine that is a stranger's could clear it, take the event before
 * we do, and have us wait in read(). */
static int setup_ring(struct parent *p)
{
	int wake[2], r;

	p->ring_fd = ring_memfd();
	if (p->ring_fd < 0)
		return p->ring_fd;
	if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	p->ring_event_fd = wake[1];
	r = ring_map(p->ring_fd, p->ring_event_fd, &p->ring);
	if (r < 0)
		return r;
	p->ring_event = (struct watch){.fd = wake[0], .fn = on_ring, .arg = p};
	p->ring_more = (struct timer){.fn = on_ring_more, .arg = p};
	return loop_add(p->loop, &p->ring_event, EPOLLIN);
}

/* Each question under way has a socket. */
static int setup_files(struct err *e)
{
	struct rlimit files = {0};

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < FILES_MAX)
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){FILES_MAX, FILES_MAX});
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur >= FILES_MIN)
		return 0;
	err_set(e, EMFILE, "only %llu files may be open, but at least %d are needed",
		(unsigned long long)files.rlim_cur, FILES_MIN);
	return err_hint(e, "raise the limit where agentfwd is started: ulimit -n 4096");
}

static int setup_uids(struct parent *p, struct err *e)
{
	uint32_t uids[PROCESS_ROLES];
	int r = uids_pick(uids, PROCESS_ROLES, e);

	for (size_t i = 0; r == 0 && i < PROCESS_ROLES; i++)
		p->processes[i].uid = uids[i];
	return r;
}

static int setup(struct parent *p, struct err *e)
{
	int r = setup_files(e);

	if (r < 0)
		return r;
	p->sockdiag_fd = sockdiag_open();
	if ((r = loop_new(&p->loop)) < 0 || (r = setup_signals(p)) < 0 || (r = setup_ring(p)) < 0 ||
	    (r = p->sockdiag_fd) < 0)
		return err_set(e, -r, "cannot start: %s", strerror(-r));
	p->tick = (struct timer){.fn = on_tick, .arg = p};
	p->idle = (struct timer){.fn = on_idle, .arg = p};
	if ((r = control_listen(p, e)) < 0 || (r = setup_cgroup(p, e)) < 0 ||
	    (r = wall_setup(p)) < 0 || (r = setup_uids(p, e)) < 0 || (r = setup_rules(p, e)) < 0)
		return r;
	end_what_was_left(p);
	if ((r = engine_begin(p, e)) < 0)
		return r;
	ring_sleep(p->ring);
	timer_set(p->loop, &p->tick, loop_now_ms(p->loop) + TICK_MS);
	p->clean = (struct timer){.fn = on_clean, .arg = p};
	timer_set(p->loop, &p->clean, loop_now_ms(p->loop) + CLEAN_MS);
	parent_check_idle(p);
	return 0;
}

/* Without fences nothing of ours stays. But while a process lives behind the rules they stay, and
 * it reaches only verified flows: its fence may not have ended in time, or another process may have
 * moved it there. */
static void remove_rules(struct parent *p)
{
	const struct left left = left_of(p);
	bool alive = p->fences || left_alive(&left);

	for (unsigned ms = 0; alive && !p->fences && ms < DYING_MS; ms += DYING_LOOK_MS) {
		usleep(DYING_LOOK_MS * 1000); /* a dying process has no namespace to judge by */
		alive = left_alive(&left);
	}
	if (alive) {
		log_error("processes live in %s; the rules stay, and keep them fenced",
			  p->cgroup_root);
		return;
	}
	nft_remove(p->nft);
	rmdir(p->cgroup_root);
}

static void teardown(struct parent *p)
{
	p->stopping = true;
	control_close(p);
	pfence_destroy_handed_on(p);
	if (p->installed)
		remove_rules(p);
	else if (p->cgroup_root[0])
		rmdir(p->cgroup_root);
	for (struct log_dir *l = p->logs; l; l = l->next)
		record_flush(l->record);
	processes_reap(p, PROCESS_ENGINE); /* they may be stopped; they have nothing to put away */
	host_cgroup_leave(p->cgroup_root);
}

int parent_run(const struct parent_options *o, struct err *e)
{
	struct parent *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(e, ENOMEM, "out of memory");
	p->options = *o;
	for (size_t i = 0; i < PROCESS_ROLES; i++)
		p->processes[i].pid = -1;
	p->gate_pipe = -1;
	r = setup(p, e);
	if (r == 0) {
		if (o->ready_fd >= 0) {
			(void)!write(o->ready_fd, "1", 1);
			close(o->ready_fd);
		}
		r = loop_run(p->loop);
		if (r < 0)
			err_set(e, -r, "%s", strerror(-r));
	}
	if (p->lock_fd > 0)
		teardown(p);
	ring_free(p->ring);
	flight_free(p->flight);
	wall_free(p->wall);
	nft_free(p->nft);
	loop_free(p->loop);
	free(p);
	return r;
}
