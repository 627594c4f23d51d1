/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fence in the parent: from the request for it until its last counts. */
#ifndef AGENTFW_PARENT_FENCE_H
#define AGENTFW_PARENT_FENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/bpf/wall.h"
#include "fw/ipc/control_msg.h"
#include "fw/ipc/engine_msg.h"
#include "fw/ipc/loop.h"
#include "fw/parent/host.h"
#include "fw/parent/place.h"
#include "fw/record/record.h"
#include "policy/base/err.h"
#include "policy/policy.h"

struct client;
struct log_dir;
struct parent;

enum pfence_state {
	PFENCE_STARTING = 0, /* the engine has been asked to take it */
	PFENCE_LIVE,
	PFENCE_KILLING, /* until its processes are gone */
	PFENCE_ENDING,  /* until the engine has sent its last counts */
};

struct pfence {
	struct pfence *next;
	struct parent *parent;
	struct client *client; /* NULL: it has left */
	enum pfence_state state;
	uint32_t id, epoch;
	char name[CTL_NAME_MAX];
	char command[1024];
	char tool[CTL_NAME_MAX]; /* empty: the agent itself */
	struct place place;
	uint16_t queue;
	int queue_fd; /* bound to it; -1 */
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
	uint64_t allowed; /* the engine's last count */
	uint64_t refused, would_deny, packets, queue_dropped;
	unsigned attributions;   /* since the last tick */
	uint64_t attribution_ns; /* their processor time */
	uint64_t ring_lost;      /* the engine's last count */
	struct wall_counts wall_told;
	char wall_lacks[sizeof(
	    ((struct err *)0)->msg)]; /* why there is no wall; empty if there is one */
	bool last_said;               /* ENDING: its last refusal is in the ring, before read_to */
	uint64_t read_to;
	uint64_t lost_before; /* what the log had lost when the fence began */
	struct ctl_last last[CTL_LAST_MAX];
	size_t n_last;
	struct timer timer; /* KILLING: kill again; otherwise: ask the engine again */
};

/* The fence becomes a user of log, and owns policy_fd, also where this fails. */
int pfence_create(struct parent *p, struct client *c, const struct ctl_create *m,
		  struct log_dir *log, int policy_fd, struct err *e);
void pfence_ready(struct parent *p, const struct em_fence_ready *m);
/* After a restart of the engine: a queue, and the engine is told of the fence. */
void pfence_announce(struct pfence *f);
void pfence_close_queue(struct pfence *f);
void pfence_end(struct pfence *f);
/* Ends the fence, and tells its client why. */
void pfence_fail(struct pfence *f, const struct err *e);
void pfence_stats(struct parent *p, const struct em_stats *m);
/* There are no more counts: a fence that ends has ended when its refusals were read. */
void pfence_last(struct pfence *f);
/* Called after some were. */
void pfence_read(struct parent *p);
struct pfence *pfence_find(struct parent *p, uint32_t id);
/* Destroys the sockets of ended fences that processes outside them hold. */
void pfence_destroy_handed_on(struct parent *p);
/* Records what the kernel has dropped at the fence's queue since the last tick. */
void pfence_tick(struct pfence *f, const struct host_queue *queues, size_t n);
uint64_t pfence_allowed(struct pfence *f);
uint64_t pfence_lost(const struct pfence *f); /* refusals that its log could not take */

#endif
