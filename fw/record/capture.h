/* SPDX-License-Identifier: GPL-2.0-or-later */
/* denied.pcap: refused packets, LINKTYPE_RAW with nanoseconds, appended to over all runs. */
#ifndef AGENTFW_CAPTURE_H
#define AGENTFW_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "policy/base/err.h"

struct capture;

/* Opens or begins the file name in dir (path is for messages). What is there is counted, and a
 * packet that a crash has left unfinished is cut off. Only one process at a time can have it open.
 */
int capture_open(int dir, const char *path, const char *name, struct capture **ret, struct err *e);
void capture_close(struct capture *c);
/* bytes is the length on the wire, cap_bytes what there is of it. Returns the packet's number in
 * the file, from 1; 0: no room (the disk is full). */
uint64_t capture_packet(struct capture *c, uint64_t time_ns, const void *packet, size_t bytes,
			size_t cap_bytes);
uint64_t capture_packets(const struct capture *c);
/* 0, or -errno: what could not be written is kept and tried again. */
int capture_flush(struct capture *c);
/* Packets that a flush has not written, some of them perhaps in part. */
uint64_t capture_waiting(const struct capture *c);
int capture_error(const struct capture *c); /* errno of the last flush; 0: it went well */

#endif
