/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of one log directory: events.jsonl and denied.pcap.
 *
 * Several fences may write to a directory; the caller shares one struct record per directory. All
 * writes append. After a crash, opening ends a torn line; files.h cuts off a torn packet. */
#ifndef AGENTFW_RECORD_H
#define AGENTFW_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/control_msg.h"
#include "fw/ipc/denial.h"
#include "fw/record/files.h"
#include "fw/record/process_info.h"
#include "policy/base/err.h"
#include "policy/policy.h"

struct record;

/* What an event says about its fence. The strings outlive it. */
struct record_fence {
	const char *name;
	const struct policy *policy;
	const char *command;
	const char *tool;  /* NULL: the agent itself */
	const char *lacks; /* what is missing under best_effort; NULL: nothing */
};

struct record_counts {
	uint64_t events;  /* lines written */
	uint64_t packets; /* packets in the capture */
	uint64_t lost;    /* refusals that could not be recorded */
};

/* Takes over the descriptors of f, which must be taken (files.h). path is for status and messages. */
int record_open(struct record_files *f, const char *path, uint32_t snaplen, struct record **ret,
		struct err *e);
void record_close(struct record *r); /* writes open folds, too */
const char *record_dir(const struct record *r);
/* Is dir its directory, by whatever path? */
bool record_is_in(const struct record *r, int dir);

/* Records a refusal. packet: NULL for a DNS question or a refused call; packet_bytes is the length
 * on the wire, cap_bytes the length captured. who may be NULL (with ATTRIBUTED_NONE). A repeat in
 * an open fold is captured and counted, and its event follows when the fold ends. */
void record_denial(struct record *r, const struct record_fence *f, const struct denial *d,
		   const void *packet, size_t packet_bytes, size_t cap_bytes,
		   enum attribution attribution, const struct process_info *who);
/* A file or program that a box refused; agentctl has folded repeats. */
void record_file(struct record *r, const struct ctl_denied_file *m);
/* Is there an open fold for such a refusal, by any process? */
bool record_folding(const struct record *r, const struct record_fence *f, const struct denial *d);
/* "fence_started", "fence_ended", "engine_restarted": an event of kind "state". The counts may be
 * NULL. */
void record_state(struct record *r, const struct record_fence *f, const char *action,
		  const uint64_t *allowed, const uint64_t *refused);
/* n refusals were lost elsewhere (ring full …): an event of action "lost". */
void record_lost(struct record *r, uint64_t n, const char *why);
/* Closes expired folds, and flushes; to be called about once per second. */
void record_tick(struct record *r, uint64_t now_ns);
/* Writes everything to the files (not fsync). */
void record_flush(struct record *r);
/* errno of a failed write that no later flush has made up for; 0: everything is written. */
int record_error(const struct record *r);
struct record_counts record_counts(const struct record *r);

#endif
