/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's sockets, by sock_diag: whose they are, and how far a connection is. */
#ifndef AGENTFW_SOCKDIAG_H
#define AGENTFW_SOCKDIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/scope.h"
#include "policy/base/addr.h"

struct socket_info {
	uint32_t inode;
	uint32_t uid;
	uint64_t cgroup_id;   /* 0: unknown */
	uint64_t acked_bytes; /* TCP: by the peer, SYN included; UINT64_MAX: not asked for */
};

/* A NETLINK_SOCK_DIAG socket, CLOEXEC, with a receive timeout of 100 ms; -errno. */
int sockdiag_open(void);
/* Finds a socket by its own end (src:sport) and the other one (dst:dport): the exact connection, or
 * else any socket that is bound to src:sport or *:sport. IPv4 addresses find IPv6 sockets, too. A
 * socket of scope (NULL: any) comes before others. -ENOENT; -errno. */
int sockdiag_find(int fd, uint8_t l4proto, const struct addr *src, uint16_t sport,
		  const struct addr *dst, uint16_t dport, const struct scope *scope,
		  struct socket_info *ret);
/* How far is a TCP connection? 1: the peer has acknowledged no payload of src:sport; 0: it has;
 * -errno: unknown. A single look-up in the kernel's table. */
int sockdiag_at_beginning(int fd, const struct addr *src, uint16_t sport, const struct addr *dst,
			  uint16_t dport);
/* Is src:sport to dst:dport a connection of this machine's that is over, and only waits for late
 * packets (TIME_WAIT)? */
bool sockdiag_in_time_wait(int fd, const struct addr *src, uint16_t sport, const struct addr *dst,
			   uint16_t dport);
/* Then it is ended. Needs CAP_NET_ADMIN. */
void sockdiag_end_time_wait(int fd, const struct addr *src, uint16_t sport, const struct addr *dst,
			    uint16_t dport);
/* Which socket of this machine gets a TCP packet from dst:dport to src:sport? */
enum receiver {
	RECEIVER_NONE,   /* none, one in TIME_WAIT, or a listener of the fence */
	RECEIVER_COMING, /* a new connection, once the handshake's last packet has come */
	RECEIVER_OWN,    /* a connection of the fence */
	RECEIVER_OTHER,  /* another one, or unknown */
};
enum receiver sockdiag_receiver(int fd, const struct addr *src, uint16_t sport,
				const struct addr *dst, uint16_t dport, const struct scope *scope);
/* Destroys every TCP socket of these cgroups; returns how many, or -errno (-EOPNOTSUPP: the kernel
 * lacks it). The kernel walks through its whole table of connections: some milliseconds per
 * family. */
#define SOCKDIAG_CGROUPS_MAX 32
int sockdiag_destroy_cgroups(int fd, const uint64_t *cgroup_id, size_t n);

#endif
