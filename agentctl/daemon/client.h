/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection to the daemon, which is started if need be (fw/ipc/control_msg.h). */
#ifndef AGENTFW_CLIENT_H
#define AGENTFW_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "fw/ipc/control_msg.h"

struct err;

#define CLIENT_WAIT_MS 20000

/* How long the daemon is waited for. Where SIGTERM, SIGINT, SIGHUP or SIGQUIT is blocked, it ends
 * the wait with -EINTR, and signo is its number; it stays pending. */
struct patience {
	unsigned ms; /* for each step; 0: CLIENT_WAIT_MS */
	int signo;
};
/* Forgets pending ones. */
void patience_anew(struct patience *p);

/* The run directory: AGENTFW_RUN_DIR or the default. */
const char *client_run_dir(void);
/* Where agentfwd is installed. false: nowhere. */
bool client_find_daemon(char *ret, size_t bytes);

/* Connects; starts a daemon when none answers and start is true. Returns the socket, which is the
 * caller's to close; -ENOENT: none runs; another -errno with e. */
int client_connect(bool start, struct patience *p, struct err *e);
/* msg begins with a struct ctl_head, which is filled here. pass_fd: a descriptor that goes with it,
 * and stays the caller's; -1: none. */
int client_send(int fd, void *msg, size_t bytes, enum ctl_type type, int pass_fd,
		struct patience *p, struct err *e);
/* The same with several descriptors, at most CTL_FDS_MAX. */
int client_send_fds(int fd, void *msg, size_t bytes, enum ctl_type type, const int *fds,
		    size_t n_fds, struct patience *p, struct err *e);
/* Receives one message of this type and exactly this size into msg; an error message of the daemon
 * becomes e. -ETIMEDOUT: no answer; e names the process, and what to do. */
int client_receive(int fd, void *msg, size_t bytes, enum ctl_type type, struct patience *p,
		   struct err *e);

#endif
