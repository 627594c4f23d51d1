/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parent: root's half of agentfwd. It owns the kernel's rules, the cgroups, the log files and
 * the engine process; it parses no packet. */
#ifndef AGENTFW_PARENT_H
#define AGENTFW_PARENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fw/bpf/flight.h"
#include "fw/bpf/wall.h"
#include "fw/ipc/control_msg.h"
#include "fw/ipc/engine_msg.h"
#include "fw/ipc/loop.h"
#include "fw/ipc/ring.h"
#include "fw/ipc/sockdiag.h"
#include "fw/nft/nft.h"
#include "fw/parent/attribute.h"
#include "fw/parent/host.h"
#include "fw/record/record.h"
#include "policy/base/err.h"
#include "policy/policy.h"

struct parent_options {
	bool idle_exit; /* go when there has been no fence and no client for a while */
	int ready_fd;   /* told "1" when fences can be made; -1 */
};

/* Runs until it is told to go, or idle. 0, or -errno with e. */
int parent_run(const struct parent_options *o, struct err *e);

/* ---- shared by parent.c, engine_process.c, fence.c, control.c ------------ */

struct log_dir { /* one record a directory, shared by the fences that write there */
	struct log_dir *next;
	unsigned users;
	struct record *record;
};

struct parent {
	struct parent_options options;
	struct loop *loop;
	struct nft *nft;
	struct wall *wall; /* NULL: it cannot be had, wall_error says why */
	struct err wall_error;
	struct flight *flight; /* NULL: it cannot be had */
	char run_dir[256];
	char socket_path[108];
	char cgroup_root[3000]; /* …/agentfw */
	int lock_fd, listen_fd, sockdiag_fd;
	struct watch listen, signals, engine, ring_event, wall_ready;
	struct timer tick, clean, idle, going_on, engine_restart, ring_more;
	struct client *clients;
	struct pfence *fences;
	struct log_dir *logs;
	uint32_t last_fence, epoch;
	uint16_t last_queue;
	/* engine process */
	pid_t engine_pid;
	int ring_fd, ring_event_fd;
	struct ring *ring;
	uint64_t ring_lost; /* of the ring's losses: told already */
	uint64_t stray;     /* of nft_stray: told already */
	uint64_t engine_started_ms;
	unsigned engine_restarts;
	unsigned engine_silent; /* ticks since it said something */
	bool engine_ready;
	unsigned engine_failures; /* deaths without a life between them */
	struct err engine_heard;  /* from the one there is: why it cannot start, or go on */
	struct err engine_said;   /* why the last one ended */
	int closing[64];          /* sockets of queues that were */
	size_t n_closing;
	uint64_t ended[SOCKDIAG_CGROUPS_MAX]; /* fences that were, by their cgroups: see fence.c */
	size_t n_ended;
	bool installed; /* the table is ours */
	bool going;     /* told to, at going_ms: every fence is ended first */
	uint64_t going_ms;
	bool stopping;
	bool told_alive; /* that it cannot go because of what lives in fences */
};

enum pfence_state {
	PFENCE_STARTING = 0, /* the engine has been asked */
	PFENCE_LIVE,
	PFENCE_KILLING, /* until its processes are gone */
	PFENCE_ENDING,  /* until the engine has sent its last counts */
};

struct pfence {
	struct pfence *next;
	struct parent *parent;
	struct client *client; /* NULL: went away */
	enum pfence_state state;
	uint32_t id, epoch;
	char name[CTL_NAME_MAX];
	char command[1024];
	char tool[CTL_NAME_MAX]; /* empty: the agent itself */
	char cgroup[CTL_PATH_MAX];
	int cgroup_fd;
	uint64_t cgroup_id, above_id; /* and of the directory that it is in */
	uint16_t queue;
	unsigned queue_tries;
	struct dns_sockets dns;
	struct name_server servers[NAME_SERVERS_MAX];
	size_t n_servers;
	bool audit;
	int policy_fd;
	void *blob;
	size_t blob_bytes;
	struct policy *policy;
	struct log_dir *log;
	struct record_fence rf;
	uint64_t since_ns, ending_ms, asked_ms;
	uint64_t allowed; /* as the engine said last */
	uint64_t refused, would_deny, packets, queue_dropped;
	unsigned attributions;   /* since the last tick */
	uint64_t attribution_ns; /* and what they cost */
	uint64_t ring_lost;      /* as the engine said last */
	struct wall_counts wall_told;
	char wall_lacks[sizeof(((struct err *)0)->msg)]; /* why there is no wall; empty: there is */
	uint64_t lost_before; /* what the log had lost when the fence came */
	struct ctl_last last[CTL_LAST_MAX];
	size_t n_last;
	struct timer timer; /* KILLING: look again; STARTING: ask the engine again */
};

/* fence.c */
int pfence_create(struct parent *p, struct client *c, const struct ctl_create *m, int policy_fd,
		  struct err *e);
void pfence_ready(struct parent *p, const struct em_fence_ready *m);
void pfence_announce(struct pfence *f); /* tells the engine of it: at first, and after a restart */
void pfence_end(struct pfence *f);
/* Ends it, and tells its client why. */
void pfence_fail(struct pfence *f, const struct err *e);
void pfence_stats(struct parent *p, const struct em_stats *m);
struct pfence *pfence_find(struct parent *p, uint32_t id);
/* The TCP sockets of ended fences that somebody else has. */
void pfence_destroy_handed_on(struct parent *p);
/* What the kernel dropped at the fence's queue since it was asked last goes into its log. */
void pfence_tick(struct pfence *f, const struct host_queue *queues, size_t n);
uint64_t pfence_allowed(struct pfence *f);
uint64_t pfence_lost(const struct pfence *f); /* refusals that its log could not take */

/* One record a directory: opened, or shared. */
int log_open(struct parent *p, const char *dir, uint32_t snaplen, struct log_dir **ret,
	     struct err *e);
void log_close(struct parent *p, struct log_dir *l); /* NULL: nothing */

/* file_denials.c: what agentctl tells of files and programs. log: the last one it spoke of. */
bool file_denial_sane(const struct ctl_denied_file *m);
int file_denial_write(struct parent *p, struct log_dir **log, const struct ctl_denied_file *m,
		      struct err *e);

/* wall_events.c */
int wall_setup(struct parent *p);
/* Closes a new cgroup. Where that cannot be done, an error, unless the policy says best_effort. */
int pfence_wall(struct pfence *f, struct err *e);
void pfence_wall_tick(struct pfence *f);
void pfence_wall_end(struct pfence *f); /* what is still to be told */

/* control.c */
int control_listen(struct parent *p, struct err *e);
void control_stop(struct parent *p); /* nobody new is heard */
void control_close(struct parent *p);
void client_created(struct client *c, struct pfence *f);
void client_error(struct client *c, const struct err *e);
void client_summary(struct client *c, const struct ctl_summary *s);

/* engine_process.c */
/* The first one: waits until it says that it is ready. */
int engine_begin(struct parent *p, struct err *e);
void engine_died(struct parent *p);
int engine_queue_socket(void); /* for one fence's queue; -errno */
void engine_send(struct parent *p, const void *msg, size_t bytes, const int *fds, size_t n_fds);
/* Once a tick, after it was asked for counts: one that does not answer for long is started anew,
 * and no fence waits for it for ever. */
void engine_look(struct parent *p);
void engine_close_queues(struct parent *p);

/* denials.c */
void denials_read(struct parent *p);
void denials_drain(struct parent *p); /* all that is there, before a fence is forgotten */
void denials_lost(struct parent *p);  /* when the engine has died */
void denial_remember(struct pfence *f, const struct denial *d);

void parent_check_idle(struct parent *p);
/* Fences are ended, their clients told, then it goes. */
void parent_go(struct parent *p);

#endif
