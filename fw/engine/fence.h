/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's state, as a whole and per fence. */
#ifndef AGENTFW_ENGINE_FENCE_H
#define AGENTFW_ENGINE_FENCE_H

#include "fw/engine/dns/resolver.h"
#include "fw/engine/flow.h"
#include "fw/engine/learned.h"
#include "fw/engine/names.h"
#include "fw/engine/nfq.h"
#include "fw/engine/verdict_wait.h"
#include "fw/ipc/budget.h"
#include "fw/ipc/engine_msg.h"
#include "fw/ipc/loop.h"
#include "fw/ipc/ring.h"
#include "policy/policy.h"

#define LOCAL_CACHE 1024 /* places */

/* The routing table's answer for an address, cached. */
struct local_known {
	struct addr addr;
	bool local;
	uint64_t until_ms;
};

struct engine {
	struct loop *loop;
	struct ring *ring;
	struct resolver *resolver;
	struct watch control, gate;
	uint64_t packets_ns; /* when the last turn with packets began; CLOCK_MONOTONIC */
	int packets_last;    /* how many packets it had */
	unsigned alone;      /* turns with a single packet */
	struct fence *fences;
	struct verdict_wait *waits;
	struct timer sweep_timer;
	uint64_t round, round_end; /* rounds of the ring: see engine_tell */
	struct local_known local[LOCAL_CACHE];
};

struct fence {
	struct fence *next;
	struct engine *engine;
	uint32_t id;
	struct scope scope;
	struct nfq *nfq;
	struct watch packets;
	uint16_t dns_port;
	bool audit;
	void *blob;
	size_t blob_bytes;
	struct policy *policy;
	bool lossy; /* its queue may have lost packets: see let_pass_watched */
	struct names *names;
	struct flows *flows;
	struct resolver_fence *resolver;
	struct learned learned;
	struct budget budget; /* for all its work in a turn: packets and DNS */
	uint64_t allowed;
	uint64_t lost; /* refusals that the ring did not take */
	uint64_t allowed_sent, lost_sent;
	uint64_t told_bytes; /* in this round: see engine_tell */
	uint64_t round;
};

#endif
