/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Repeats of a refusal within FOLD_NS are counted, and written as one event. */
#ifndef AGENTFW_FOLD_H
#define AGENTFW_FOLD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "fw/ipc/denial.h"
#include "fw/record/process_info.h"

#define FOLD_NS  (10ull * 1000000000u)
#define FOLD_MAX 4096 /* open folds; a new one closes the oldest. Each has an event of 4 KiB */

struct fold {
	struct fold *next_hash, *next, *prev; /* in order of their beginning */
	uint64_t hash, since_ns;
	struct denial like; /* the first refusal */
	char exe[256];      /* the end of the path; empty: unknown */
	pid_t pid;
	json_t *event;                     /* owned: the first one's event */
	uint64_t repeats;                  /* since then */
	uint64_t start_ns, end_ns, packet; /* of the repeats; packet is the first one's */
};

struct folds;

/* closing gets every fold before it is freed; its repeats may be 0. */
int folds_new(void (*closing)(void *arg, struct fold *f), void *arg, struct folds **ret);
void folds_free(struct folds *fs); /* closes all */

/* The open fold of such a refusal, or NULL. who NULL: by any process. */
struct fold *fold_find(const struct folds *fs, const struct denial *d,
		       const struct process_info *who);
/* Begins a fold, which owns event from now on. NULL: out of memory, and event is freed. */
struct fold *fold_begin(struct folds *fs, const struct denial *d, const struct process_info *who,
			json_t *event, uint64_t now_ns);
void fold_repeat(struct fold *f, uint64_t time_ns, uint64_t packet);
/* Closes the folds that began FOLD_NS ago. */
void folds_expire(struct folds *fs, uint64_t now_ns);
void folds_close_fence(struct folds *fs, const char *name);
bool fold_over(const struct fold *f, uint64_t now_ns);

#endif
