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
#include "fw/ipc/loop.h"
#include "fw/ipc/ring.h"
#include "fw/ipc/sockdiag.h"
#include "fw/nft/nft.h"
#include "fw/parent/engine_words.h"
#include "fw/parent/processes.h"
#include "policy/base/err.h"

struct parent_options {
	bool idle_exit; /* end when there has been no fence and no client for a while */
	int ready_fd;   /* gets "1" when fences can be made; -1: none */
};

/* Runs until it is told to end, or is idle. 0, or -errno with e. */
int parent_run(const struct parent_options *o, struct err *e);

/* ---- for the modules of the parent alone --------------------------------- */

struct client;
struct log_dir;
struct pfence;

struct parent {
	struct parent_options options;
	struct loop *loop;
	struct nft *nft;
	struct wall *wall; /* NULL: not on this kernel; wall_error has the reason */
	struct err wall_error;
	struct flight *flight; /* NULL: not on this kernel */
	char run_dir[256];
	char socket_path[108];
	char cgroup_root[3000]; /* …/agentfw */
	int lock_fd, listen_fd, sockdiag_fd;
	struct watch listen, signals, ring_event, wall_ready;
	struct timer tick, clean, idle, going_on, engine_restart, ring_more;
	struct client *clients;
	size_t n_clients;
	struct pfence *fences;
	struct log_dir *logs;
	uint32_t last_fence, epoch;
	uint16_t last_queue;
	/* engine process */
	struct process processes[PROCESS_ROLES];
	int gate_pipe;              /* see fw/ipc/gate_msg.h; -1 */
	int ring_fd, ring_event_fd; /* the engine's end: it writes there */
	struct ring *ring;
	uint64_t ring_lost; /* the ring's losses that are recorded already */
	uint64_t stray;     /* the part of nft_stray that is recorded already */
	uint64_t engine_started_ms;
	unsigned engine_restarts;
	unsigned engine_silent; /* ticks since its last message */
	struct engine_words engine_words;
	bool engine_ready;        /* all three are */
	unsigned engine_failures; /* early deaths in a row */
	struct err engine_heard;  /* a running one's own reason why it cannot start or go on */
	struct err engine_said;   /* why the last one ended */
	int closing[64];          /* sockets of ended fences' queues */
	size_t n_closing;
	uint64_t ended[SOCKDIAG_CGROUPS_MAX]; /* cgroups of ended fences: see destroy_sockets */
	size_t n_ended;
	bool installed; /* the table is ours */
	bool going;     /* told to end, at going_ms: every fence is ended first */
	uint64_t going_ms;
	bool stopping;
	bool told_alive; /* logged that processes in fences keep the daemon */
};

void parent_check_idle(struct parent *p);
/* Ends all fences and tells their clients; then the loop stops. */
void parent_go(struct parent *p);

#endif
