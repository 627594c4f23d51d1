/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is an address this host's own? By the kernel's routing table. */
#ifndef AGENTFW_ROUTE_H
#define AGENTFW_ROUTE_H

#include "policy/base/addr.h"

/* A NETLINK_ROUTE socket, CLOEXEC, with a receive timeout of 100 ms; -errno. */
int route_open(void);
/* 1: yes; 0: no, or no route leads there; -errno: the kernel did not answer. */
int route_is_local(int fd, const struct addr *a);

#endif
