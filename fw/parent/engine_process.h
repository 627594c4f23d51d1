/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine as the parent's child process: started, sent messages, watched and restarted. */
#ifndef AGENTFW_ENGINE_PROCESS_H
#define AGENTFW_ENGINE_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include "fw/parent/parent.h"
#include "policy/base/err.h"

/* Starts the first engine and waits until it is ready. */
int engine_begin(struct parent *p, struct err *e);
void engine_send(struct parent *p, const void *msg, size_t bytes, const int *fds, size_t n_fds);
/* Once per tick, after the engine was asked for its counts: restarts an engine that has been silent
 * for long, and ends the wait of fences that it does not answer about. */
void engine_look(struct parent *p);
/* Told before the engine is: the gate has the socket of a fence's queue. fd: -1: no more. */
void engine_gate(struct parent *p, uint32_t fence, uint16_t queue, int fd);
/* A queue's socket. The first close waits, some milliseconds, for what nf_tables has to clean up
 * after our last transaction; the others find it done. */
void engine_close_later(struct parent *p, int fd);
void engine_close_queues(struct parent *p);

#endif
