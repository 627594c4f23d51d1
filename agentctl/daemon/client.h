/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection to the daemon: found, started if need be, spoken to (fw/ipc/control_msg.h). */
#ifndef AGENTFW_CLIENT_H
#define AGENTFW_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "fw/ipc/control_msg.h"

struct err;

#define CLIENT_WAIT_MS 20000

/* How long the daemon is waited for. SIGTERM, SIGINT, SIGHUP and SIGQUIT end the wait also where
 * they are blocked: -EINTR, and signo is the one, which stays pending. */
struct patience {
	unsigned ms; /* for each step; 0: CLIENT_WAIT_MS */
	int signo;
};
/* Forgets such signals that came before. */
void patience_anew(struct patience *p);

/* Where the daemon's sockets are: a string of the environment or of the program. */
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
/* The same with several, at most CTL_FDS_MAX. */
int client_send_fds(int fd, void *msg, size_t bytes, enum ctl_type type, const int *fds,
		    size_t n_fds, struct patience *p, struct err *e);
/* Receives one message of this type and exactly this size into msg; an error of the daemon's
 * becomes e. -ETIMEDOUT: it does not answer; e says who, and what to do. */
int client_receive(int fd, void *msg, size_t bytes, enum ctl_type type, struct patience *p,
		   struct err *e);

#endif
