/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that Landlock refused, from the kernel's audit log (AUDIT_NLGRP_READLOG), Linux 6.15 and
 * later.
 *
 * The first refusal of a domain brings two records, "LANDLOCK_ACCESS domain=ID blockers=… path=…"
 * and "LANDLOCK_DOMAIN domain=ID … pid=P", P being the process that applied Landlock; later
 * refusals only the first. A record SYSCALL names the process, where processes have an audit
 * context. */
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
 * -ENOTRECOVERABLE: the process is stuck in another network namespace and must end. */
int audit_open(struct audit **ret, struct err *e);
/* Turns auditing on if it is off: first with a rule that gives no process an audit context, since
 * that would cost each of their system calls time. To be called once, a while after audit_open. */
int audit_begin(struct audit *a, audit_fn *fn, void *arg, struct err *e);
void audit_free(struct audit *a);
/* Would it work? Turns nothing on. *ret_on: auditing is on. */
int audit_possible(bool *ret_on, struct err *e);
int audit_fd(const struct audit *a);
/* The process that applies Landlock: its domain is ours. Before the first audit_read. */
void audit_follow(struct audit *a, pid_t pid);
/* Reads pending records, up to a limit. */
void audit_read(struct audit *a);
/* Reads until the kernel holds nothing back; to be called before audit_lost. */
void audit_drain(struct audit *a);
/* How many records were lost since audit_begin, of ours or of others, at least: a full socket
 * counts as one. */
uint64_t audit_lost(const struct audit *a);
/* Will a SYSCALL follow an ACCESS? Not where a rule gives no process an audit context. */
bool audit_tells_who(struct audit *a);

#endif
