/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system call filters. */
#ifndef AGENTFW_SECCOMP_H
#define AGENTFW_SECCOMP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct err;

enum seccomp_bits {
	SECCOMP_NO_MEMFD = 1,   /* no files without a name: they could be run */
	SECCOMP_NO_UNIX = 2,    /* no unix sockets but socketpair(2) */
	SECCOMP_NO_NETWORK = 4, /* where there can be no network namespace */
	SECCOMP_FILTERS = 8,    /* the number of combinations */
};

/* bits: enum seccomp_bits. */
int seccomp_base(uint64_t bits, struct err *e);
void seccomp_print(uint64_t bits, FILE *to);
/* Loads the filter of a watch and sends its listener over the socket `to`; a message without one:
 * there is none. all: every file that is opened is told. */
int seccomp_watch(bool all, int to, struct err *e);

#endif
