/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The format of denied.pcap, and the end of an existing one. */
#ifndef AGENTFW_CAPTURE_END_H
#define AGENTFW_CAPTURE_END_H

#include <stdint.h>

#include "policy/base/err.h"

#define CAPTURE_SNAPLEN 262144

/* draft-ietf-opsawg-pcap, in the byte order of this machine */
struct capture_packet_head {
	uint32_t s, ns, cap_bytes, bytes;
};

/* Begins a capture in an empty file; else counts the packets, and cuts off a packet that a crash has
 * left unfinished, and whatever is behind it. path and name are for messages. */
int capture_end(int fd, const char *path, const char *name, uint64_t *ret_packets, struct err *e);
/* Writes beside the file (an extended attribute, where the file system has them) that it ends with
 * the last of these packets, so that capture_end need not count them again. */
void capture_keep_count(int fd, uint64_t packets);

#endif
