/* SPDX-License-Identifier: GPL-2.0-or-later */
/* denied.pcap: refused packets of all runs, LINKTYPE_RAW with nanoseconds. */
#ifndef AGENTFW_CAPTURE_H
#define AGENTFW_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "policy/base/err.h"

struct capture;

/* fd ends with a whole packet, the last of packets (files.h). It is the capture's from now on, also
 * where this fails. */
int capture_open(int fd, uint64_t packets, struct capture **ret, struct err *e);
void capture_close(struct capture *c);
/* bytes is the length on the wire, cap_bytes the length captured. Returns the packet's number in
 * the file, from 1; 0: no room (the disk is full). */
uint64_t capture_packet(struct capture *c, uint64_t time_ns, const void *packet, size_t bytes,
			size_t cap_bytes);
uint64_t capture_packets(const struct capture *c);
/* 0, or -errno: what could not be written is kept for the next flush. */
int capture_flush(struct capture *c);
/* Packets since the last flush that wrote everything. */
uint64_t capture_waiting(const struct capture *c);
int capture_error(const struct capture *c); /* errno of the last flush; 0: success */

#endif
