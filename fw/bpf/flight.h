/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loader of fw/bpf/flight.bpf.c, which lets TCP send the whole of a first payload that is held,
 * even if its pieces come late or exceed the initial window.
 *
 * Without it (the kernel or the rights may lack it) such a payload may stay incomplete, and is then
 * refused; all else is the same. Attached to a cgroup it applies to sockets in it and below. It
 * ends with the daemon, and leaves the sockets as they are. */
#ifndef AGENTFW_FLIGHT_H
#define AGENTFW_FLIGHT_H

#include "policy/base/err.h"

struct flight;

/* Needs BPF struct_ops and the kernel's types (CONFIG_DEBUG_INFO_BTF). */
int flight_new(struct flight **ret, struct err *e);
void flight_free(struct flight *f);
int flight_attach(struct flight *f, int cgroup_fd, struct err *e);

#endif
