/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A descriptor that is looked at while a command runs. */
#ifndef AGENTFW_WATCHED_FD_H
#define AGENTFW_WATCHED_FD_H

/* fn is called when fd is readable or closed. It may set fd to -1: it is not called again. */
struct watched_fd {
	int fd;
	void (*fn)(struct watched_fd *w);
	void *arg;
};

#endif
