/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of the kernel's audit log as text (kernel/audit.c, security/landlock/audit.c). Paths and
 * names are the attacker's; the kernel writes them in quotes, or in hexadecimal when they hold more
 * than plain characters. */
#ifndef AGENTFW_AUDIT_RECORD_H
#define AGENTFW_AUDIT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Newer than the headers may be. */
#define AUDIT_TYPE_SYSCALL         1300
#define AUDIT_TYPE_LANDLOCK_ACCESS 1423
#define AUDIT_TYPE_LANDLOCK_DOMAIN 1424
#define AUDIT_RECORD_MAX           65536

enum audit_result { AUDIT_OK, AUDIT_BAD, AUDIT_NOT_OURS /* a type that is not read */ };

struct audit_record {
	unsigned type;
	uint64_t time_ns; /* CLOCK_REALTIME, in steps of a millisecond */
	uint64_t serial;  /* all records of one system call have the same */
	uint64_t domain;
	uint32_t rights;  /* ACCESS: policy/base/rights.h, never 0 */
	bool allocated;   /* DOMAIN: it began; else it ended */
	uint32_t pid;     /* DOMAIN, SYSCALL; 0: not said */
	uint32_t uid;     /* UINT32_MAX: not said */
	char access[128]; /* ACCESS: the kernel's own words; cut */
	char path[4097];  /* ACCESS: may be empty. An abstract socket: '@' and its name, escaped */
	char exe[4097];   /* DOMAIN, SYSCALL */
	char comm[17];
};

/* text: the body behind the netlink header. A record with a known field twice, a number out of
 * range or a string without its end is BAD; unknown fields are passed over. */
enum audit_result audit_record_parse(unsigned type, const char *text, size_t bytes,
				     struct audit_record *ret);

#endif
