/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs of the socket wall (wall.bpf.c) and their loader (fw/bpf/wall.c) have in
 * common. */
#ifndef AGENTFW_BPF_WALL_H
#define AGENTFW_BPF_WALL_H

#include <linux/types.h>

/* Packet marks, as in fw/ipc/engine_msg.h (wall.c compares them): what the firewall's rules leave
 * on a packet that may go. */
#define WALL_ASK_MASK  0x70000000u
#define WALL_PASS      0x70000000u /* judged */
#define WALL_OWN       0x50000000u /* the same; who may get it is looked at when it comes in */
#define WALL_STAYS     0x01000000u /* judged to stay on this machine */
#define WALL_MARK_MASK 0x7f000000u /* every bit that is ours: none is left on what passes */

#define WALL_RING_BYTES     (1u << 18)
#define WALL_EVENTS_PER_SEC 200 /* of a fence; the rest is counted */

enum wall_kind {
	WALL_SOCKET = 1,
	WALL_BIND,
	WALL_CONNECT,
	WALL_SENDMSG,
	WALL_SOURCE, /* of a datagram, by a control message */
	WALL_SETSOCKOPT,
	WALL_KIND_COUNT,
};

/* One call that was refused. */
struct wall_event {
	__u64 cgroup;   /* of the fence */
	__u32 pid, uid; /* pid 0: this kernel does not tell it here */
	__u32 kind;     /* enum wall_kind */
	__u32 family, type, protocol;
	__u32 addr[4]; /* network order; IPv4: the first */
	__u32 port;    /* host order */
	__s32 level, option;
	char comm[16];
};

/* Why a packet was dropped. */
enum wall_drop {
	WALL_DROP_UNJUDGED, /* the firewall's rules have not seen it, or are gone */
	WALL_DROP_STAYS,    /* judged to stay on the machine, about to leave it */
	WALL_DROP_LOOPBACK, /* to a loopback address, by a device that does not lead there */
	WALL_DROP_BOUND,    /* by a socket that is bound to a device */
	WALL_DROP_COUNT,
};

/* Of each fence. */
struct wall_fence {
	__u64 cgroup; /* set by the loader */
	__u64 window_ns;
	__u64 told; /* in this window */
	__u64 lost; /* refused calls that no event tells of */
	__u64 dropped[WALL_DROP_COUNT];
};

#endif
