/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of one log directory: events.jsonl and denied.pcap.
 *
 * Several fences may write to one directory; the caller shares one struct record per directory. All
 * writes append; a torn last line or packet of a crash is cut off when it is opened again. */
#ifndef AGENTFW_RECORD_H
#define AGENTFW_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/control_msg.h"
#include "fw/ipc/denial.h"
#include "fw/record/process_info.h"
#include "policy/base/err.h"
#include "policy/policy.h"

struct record;

/* What an event says about its fence. Strings outlive the fence. */
struct record_fence {
	const char *name;
	const struct policy *policy;
	const char *command;
	const char *tool;  /* NULL: the agent itself */
	const char *lacks; /* what best_effort does without; NULL: nothing */
};

struct record_counts {
	uint64_t events;  /* lines written */
	uint64_t packets; /* packets in the capture */
	uint64_t lost;    /* refusals that could not be recorded */
};

/* Makes dir (0700) with missing parents where it is not there and opens both files (0600,
 * O_NOFOLLOW); refuses a directory that others than root and its owner can write to. e says what,
 * where and what to do. */
int record_open(const char *dir, uint32_t snaplen, struct record **ret, struct err *e);
void record_close(struct record *r); /* writes out what is still folded */
const char *record_dir(const struct record *r);

/* One refusal. packet may be NULL (a DNS question has its own reconstructed or real packet, or
 * none); packet_bytes is the length on the wire, cap_bytes what is there. who may be NULL (with
 * ATTRIBUTED_NONE). A repeat of an open fold is counted, captured, and told of when the fold ends.
 */
void record_denial(struct record *r, const struct record_fence *f, const struct denial *d,
		   const void *packet, size_t packet_bytes, size_t cap_bytes,
		   enum attribution attribution, const struct process_info *who);
/* A file or program that a box refused: folded already by who saw it. */
void record_file(struct record *r, const struct ctl_denied_file *m);
/* Is there an open fold for the same thing (all but who)? Then the caller may save the search. */
bool record_folding(const struct record *r, const struct record_fence *f, const struct denial *d);
/* "fence_started", "fence_ended": a line of kind "state". counts may be NULL. */
void record_state(struct record *r, const struct record_fence *f, const char *action,
		  const uint64_t *allowed, const uint64_t *refused);
/* n refusals were lost before they came here (ring full …): told in the log as action "lost". */
void record_lost(struct record *r, uint64_t n, const char *why);
/* Closes folds that are over and flushes; to be called about once a second. */
void record_tick(struct record *r, uint64_t now_ns);
/* Writes everything to the files (not fsync). */
void record_flush(struct record *r);
/* errno of the last write that failed and has not been made good since; 0: everything is written.
 */
int record_error(const struct record *r);
struct record_counts record_counts(const struct record *r);

#endif
