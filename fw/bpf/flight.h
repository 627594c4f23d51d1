/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loader of fw/bpf/flight.bpf.c, by which TCP sends the whole of a first payload that is held:
 * also one in pieces that come late, or more of them than it sends before an answer.
 *
 * Where the kernel or the rights lack it, such a payload may never become whole and is refused
 * after a while, and all else is the same. Attached to a cgroup it is for sockets in it and below;
 * the daemon's end ends what it does, and leaves the sockets as they are. */
#ifndef AGENTFW_FLIGHT_H
#define AGENTFW_FLIGHT_H

#include "policy/base/err.h"

struct flight;

/* Needs BPF struct_ops and the kernel's types (CONFIG_DEBUG_INFO_BTF). */
int flight_new(struct flight **ret, struct err *e);
void flight_free(struct flight *f);
int flight_attach(struct flight *f, int cgroup_fd, struct err *e);

#endif
