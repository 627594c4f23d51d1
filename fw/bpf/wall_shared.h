/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs of the socket wall (wall.bpf.c) and their loader (fw/bpf/wall.c) have in
 * common. */
#ifndef AGENTFW_BPF_WALL_H
#define AGENTFW_BPF_WALL_H

#include <linux/types.h>

/* Packet marks, as in fw/ipc/engine_msg.h (wall.c checks that): the firewall's rules leave them on
 * a packet that may go. */
#define WALL_ASK_MASK  0x70000000u
#define WALL_PASS      0x70000000u /* judged */
#define WALL_OWN       0x50000000u /* the same, for the fence itself only: checked at the input */
#define WALL_STAYS     0x01000000u /* judged to stay on this machine */
#define WALL_MARK_MASK 0x7f000000u /* all our bits: taken off packets that leave */

#define WALL_RING_BYTES     (1u << 18)
#define WALL_EVENTS_PER_SEC 200 /* per fence; the rest is counted */

enum wall_kind {
	WALL_SOCKET = 1,
	WALL_BIND,
	WALL_CONNECT,
	WALL_SENDMSG,
	WALL_SOURCE,       /* a datagram's source, by a control message */
	WALL_OTHER_SOURCE, /* the same, and the socket is bound to another address */
	WALL_UNTIED,       /* its port may have become another process's: see ties_port */
	WALL_SETSOCKOPT,
	WALL_KIND_COUNT,
};

/* A refused call. */
struct wall_event {
	__u64 cgroup;   /* of the fence */
	__u32 pid, uid; /* pid 0: the kernel does not tell it */
	__u32 kind;     /* enum wall_kind */
	__u32 family, type, protocol;
	__u32 addr[4]; /* network order; IPv4: the first */
	__u32 port;    /* host order */
	__s32 level, option;
	char comm[16];
};

/* Why a packet was dropped. */
enum wall_drop {
	WALL_DROP_UNJUDGED, /* the firewall's rules have not judged it, or are gone */
	WALL_DROP_STAYS,    /* judged to stay on the machine, about to leave it */
	WALL_DROP_LOOPBACK, /* to a loopback address, by another device than lo */
	WALL_DROP_BOUND,    /* by a socket that is bound to a device */
	WALL_DROP_SOURCE,   /* UDP: a socket outside the fence would get the answer */
	WALL_DROP_COUNT,
};

/* Per fence. */
struct wall_fence {
	__u64 cgroup; /* set by the loader */
	__u64 window_ns;
	__u64 told; /* in this window */
	__u64 lost; /* refused calls without an event */
	__u64 dropped[WALL_DROP_COUNT];
};

#endif
