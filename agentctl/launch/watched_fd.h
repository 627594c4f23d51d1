/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A descriptor that is looked at while a command runs. */
#ifndef AGENTFW_WATCHED_FD_H
#define AGENTFW_WATCHED_FD_H

/* fn is called when fd has something to say or is closed. It may set fd to -1: nothing more is
 * wanted. */
struct watched_fd {
	int fd;
	void (*fn)(struct watched_fd *w);
	void *arg;
};

#endif
