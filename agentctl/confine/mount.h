/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounts over single places, and the sockets of other programs. */
#ifndef AGENTFW_MOUNT_H
#define AGENTFW_MOUNT_H

struct err;

/* propagation: MS_SLAVE or MS_PRIVATE. */
int mount_private(unsigned long propagation, struct err *e);
int mount_hide(const char *path, struct err *e);
int mount_read_only(const char *path, struct err *e);
/* Every existing socket of a program that would send something for the agent, or do it outside:
 * resolvers, D-Bus, container engines, terminals, desktops; real paths, some twice. */
int mount_each_helper(void (*fn)(const char *path, void *arg), void *arg, struct err *e);
/* Every socket file of every network namespace that has a process; real paths. */
void mount_each_socket(void (*fn)(const char *path, void *arg), void *arg);

#endif
