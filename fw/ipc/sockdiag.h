/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's sockets, by sock_diag: who holds which, and how far a connection is. */
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
	uint64_t cgroup_id;   /* 0: the kernel did not say */
	uint64_t acked_bytes; /* TCP: by the peer, SYN included; UINT64_MAX: was not asked for */
};

/* A NETLINK_SOCK_DIAG socket, CLOEXEC, with a receive timeout of 100 ms; -errno. */
int sockdiag_open(void);
/* Finds the socket by its own end (src:sport) and the other (dst:dport). For UDP whatever socket is
 * bound to src:sport or *:sport; for TCP the exact connection, else a listener on src:sport.
 * Addresses of IPv4 find v4-mapped IPv6 sockets too. A socket of
 * scope (NULL: anybody's) comes before others. -ENOENT; -errno. */
int sockdiag_find(int fd, uint8_t l4proto, const struct addr *src, uint16_t sport,
		  const struct addr *dst, uint16_t dport, const struct scope *scope,
		  struct socket_info *ret);
/* How far is a TCP connection? 1: it waits for the first acknowledgement of anything it said; 0:
 * further; -errno: nobody knows it. One look-up in the kernel's table, whatever else there is. */
int sockdiag_at_beginning(int fd, const struct addr *src, uint16_t sport, const struct addr *dst,
			  uint16_t dport);
/* Is src:sport to dst:dport a connection of this machine's that is over, and only waits for late
 * packets (TIME_WAIT)? */
bool sockdiag_in_time_wait(int fd, const struct addr *src, uint16_t sport, const struct addr *dst,
			   uint16_t dport);
/* Then it is ended. Needs CAP_NET_ADMIN. */
void sockdiag_end_time_wait(int fd, const struct addr *src, uint16_t sport, const struct addr *dst,
			    uint16_t dport);
/* Who gets a packet from dst:dport to src:sport of a TCP connection of this machine? */
enum receiver {
	RECEIVER_NONE,   /* nobody: no socket, or one that is over, or a listener of the fence's */
	RECEIVER_COMING, /* a listener, when the handshake's last packet has come */
	RECEIVER_OWN,    /* a connection of the fence's */
	RECEIVER_OTHER,  /* somebody else; or it cannot be told */
};
enum receiver sockdiag_receiver(int fd, const struct addr *src, uint16_t sport,
				const struct addr *dst, uint16_t dport, const struct scope *scope);
/* Destroys every TCP socket of these cgroups; returns how many, or -errno (-EOPNOTSUPP: kernel
 * lacks it). The kernel walks through its whole table of connections, some milliseconds for each
 * family.
 */
#define SOCKDIAG_CGROUPS_MAX 32
int sockdiag_destroy_cgroups(int fd, const uint64_t *cgroup_id, size_t n);

#endif
