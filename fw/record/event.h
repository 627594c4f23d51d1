/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of events.jsonl, in the form at the end of fw/ipc/control_msg.h. */
#ifndef AGENTFW_EVENT_JSON_H
#define AGENTFW_EVENT_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "fw/ipc/control_msg.h"
#include "fw/record/record.h"

#define EVENT_ID_LEN 40

/* A refusal. packet: its number in the capture, 0: none. NULL: out of memory. */
json_t *event_denial(const struct record_fence *f, const struct denial *d, uint64_t packet,
		     enum attribution attribution, const struct process_info *who, const char *id);
/* A file or program that a box refused, or repeats if m says so. */
json_t *event_file(const struct ctl_denied_file *m, const char *id);
/* Turns event into that of count repeats between two times. */
void event_repeats(json_t *event, uint64_t count, uint64_t start_ns, uint64_t end_ns,
		   uint64_t packet, const char *id);
/* Puts the process into event, in the place of an earlier one. */
void event_process(json_t *event, const struct process_info *who);
/* allowed and refused may be NULL. */
json_t *event_state(const struct record_fence *f, const char *action, const uint64_t *allowed,
		    const uint64_t *refused, uint64_t now_ns, const char *id);
json_t *event_lost(uint64_t n, const char *why, uint64_t now_ns, const char *id);

#endif
