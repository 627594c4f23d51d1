/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel tells of files that Landlock refused: records of its audit log, as they come to
 * whoever listens (AUDIT_NLGRP_READLOG), Linux 6.15 and later.
 *
 * The first refusal of a domain brings two records, "LANDLOCK_ACCESS domain=ID blockers=… path=…"
 * and "LANDLOCK_DOMAIN domain=ID … pid=P", P being who applied Landlock; later ones only the first.
 * Beside them stands SYSCALL with who did it, where processes have an audit context. */
#ifndef AGENTFW_AUDIT_H
#define AGENTFW_AUDIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct audit;
struct audit_record;
struct err;

/* Called for each ACCESS of our domain, and for a SYSCALL that belongs to one. */
typedef void audit_fn(void *arg, const struct audit_record *r);

/* Listens. Needs root of the initial user and pid namespaces. -errno with e: what is missing.
 * -ENOTRECOVERABLE: give up altogether, we are in another network namespace. */
int audit_open(struct audit **ret, struct err *e);
/* Turns auditing on if it is off: first with a rule that gives no process an audit context, since
 * that would cost each of their system calls time. To be called once, a while after audit_open. */
int audit_begin(struct audit *a, audit_fn *fn, void *arg, struct err *e);
void audit_free(struct audit *a);
/* Would it work? Turns nothing on. *ret_on: it is on already. */
int audit_possible(bool *ret_on, struct err *e);
int audit_fd(const struct audit *a);
/* Whose domain is ours: the process that applies Landlock. To be said before the first audit_read.
 */
void audit_follow(struct audit *a, pid_t pid);
/* Reads what is there, but not without end. */
void audit_read(struct audit *a);
/* Reads until the kernel holds nothing back; to be called before audit_lost. */
void audit_drain(struct audit *a);
/* How many records the kernel could not deliver since audit_open, of ours or of others; each time
 * that the socket was too small counts as one. */
uint64_t audit_lost(const struct audit *a);
/* Will a SYSCALL follow an ACCESS? No where a rule gives no process an audit context. */
bool audit_tells_who(struct audit *a);

#endif
