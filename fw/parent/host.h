/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parent needs of the host: cgroup directories, sockets, name servers. */
#ifndef AGENTFW_HOST_H
#define AGENTFW_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fw/ipc/name_server.h"
#include "policy/base/addr.h"
#include "policy/base/err.h"

/* Where cgroup v2 is mounted; ret holds PATH_MAX bytes. */
int host_cgroup_mount(char *ret, size_t bytes, struct err *e);
/* Kills every process below the cgroup directory. */
int host_cgroup_kill(int dir_fd);
/* An unreadable answer counts as yes, until the directory is gone. */
bool host_cgroup_populated(int dir_fd);
/* Is the process inside a fence? An unreadable answer counts as yes. */
bool host_process_fenced(pid_t pid);
/* The cgroup that agentctl made for daemons (CTL_DAEMON_CGROUP_DIR), beside `fences`: at the end. */
void host_cgroup_leave(const char *fences);

struct dns_sockets {
	int udp4, tcp4, udp6, tcp6; /* -1: the host lacks that family */
	uint16_t port;
};
/* Our resolver's sockets on 127.0.0.1 and ::1, all of one port that the kernel picks. owner: whose
 * they are for the rules (skuid). */
int host_dns_sockets(uint32_t owner, struct dns_sockets *ret, struct err *e);
void host_dns_sockets_close(struct dns_sockets *s);

/* The name servers of /etc/resolv.conf; returns how many, at most max. */
size_t host_name_servers(struct name_server *ret, size_t max);
/* A non-blocking socket on its way to the server; -errno. */
int host_connect(uint32_t owner, const struct name_server *s, int type);
/* Are there TCP sockets on this machine that no process holds any more? */
bool host_tcp_orphans(void);
/* Packets that the kernel dropped at each queue of this network namespace since it was bound. */
struct host_queue {
	uint16_t number;
	uint64_t dropped;
};
/* Sorted by number; the caller frees it. Returns how many. */
size_t host_queues(struct host_queue **ret);
/* 0 if the queue is not in the list. */
uint64_t host_queue_dropped(const struct host_queue *list, size_t n, uint16_t number);

#endif
