/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client of agentfwd's that says random things from a seed, and one that only wants fences. See client.c. */
#ifndef HOSTILE_CLIENT_H
#define HOSTILE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "fw/ipc/control_msg.h"
#include "tests/lab/hostile/board.h"
#include "tests/lab/hostile/dice.h"

#define CONNECTIONS   12
#define POLICIES      3
#define POLICIES_HELD 4

struct connection {
	int fd;                    /* -1: none */
	int policy[POLICIES_HELD]; /* that were handed over last; -1: none */
	size_t next_policy;
	bool slow;                 /* does not read what it is told */
	char cgroup[CTL_PATH_MAX]; /* of its fence; empty: none */
};

struct blob {
	void *bytes;
	size_t n;
};

struct hostile_client {
	struct board *board;
	struct dice d;
	struct sockaddr_un to;
	const char *dir; /* its own */
	const char *who;
	struct blob policy[POLICIES];
	struct connection c[CONNECTIONS];
	uint64_t logs;
	bool may_speak;
};

/* client_fds.c: what is handed over. Each is closed by who asked for it; -1: it could not be had. */
int some_fd(struct hostile_client *h);
int some_policy(struct hostile_client *h); /* often in order */
/* The three of a record: in order, or nearly. Returns how many. */
size_t some_log(struct hostile_client *h, bool good, int fds[CTL_FDS_MAX], char *path);
int good_policy(const struct blob *b);

/* client_steps.c */
void client_open(struct connection *c, int fd);
bool client_send(int fd, const void *msg, size_t bytes, const int *fds, size_t n);
void client_step(struct hostile_client *h, struct connection *c);
/* What was answered; nobody who may not speak gets anything. */
void client_read(struct hostile_client *h, struct connection *c);
void client_close(struct hostile_client *h, struct connection *c);

#endif
