/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What agentctl and agentfwd say to each other, over a SOCK_SEQPACKET unix socket.
 *
 * One message a packet: struct ctl_head, then exactly the body of its type. Both ends are the same
 * build on the same machine: native byte order; a version that differs is an error that says so.
 * The connection that created a fence holds it: when it closes, for whatever reason, the fence's
 * processes are killed and the fence is taken down.
 *
 *     agentctl                               agentfwd
 *     CTL_CREATE (+ policy blob)         ->  cgroup, DNS sockets, kernel rules, engine
 *                                        <-  CTL_CREATED | CTL_ERROR
 *     (starts the command in the cgroup; waits for it)
 *     CTL_END                            ->  kills what is left, removes the fence
 *                                        <-  CTL_SUMMARY
 *     CTL_STATUS (+ memfd)               ->  writes JSON to it
 *                                        <-  CTL_STATUS_TEXT | CTL_ERROR
 *     CTL_DENIED_FILE ... CTL_DENIED_END ->  events of the record
 *                                        <-  CTL_DENIED_NOTED | CTL_ERROR
 */
#ifndef AGENTFW_CONTROL_MSG_H
#define AGENTFW_CONTROL_MSG_H

#include <stdint.h>

#define CTL_VERSION     5
#define CTL_MAX_MESSAGE 65536
#define CTL_NAME_MAX    128 /* [a-z0-9._-], as a cgroup directory's name */
#define CTL_PATH_MAX    4096
/* One run directory per network namespace: the rules of a daemon hold in its own only. The number
 * is the inode of /proc/self/ns/net. AGENTFW_RUN_DIR in the environment replaces "/run/agentfw". */
#define CTL_RUN_DIR       "/run/agentfw"
#define CTL_SOCKET_FORMAT "%s/net-%llu/control"
#define CTL_CGROUP_DIR    "agentfw" /* below the cgroup v2 mount point */
/* An extended attribute of each directory in there: "INODE RUN_DIR", the network namespace and the
 * run directory of the daemon that has made it. */
#define CTL_CGROUP_MARK    "user.agentfw.net"
#define CTL_CGROUP_NO_MARK "none" /* no daemon has, nor ends what is in it */

enum ctl_type {
	CTL_CREATE = 1,
	CTL_CREATED,
	CTL_END,
	CTL_SUMMARY,
	CTL_STATUS,
	CTL_STATUS_TEXT,
	CTL_ERROR,
	CTL_DENIED_FILE,
	CTL_DENIED_END,
	CTL_DENIED_NOTED,
};

struct ctl_head {
	uint16_t version; /* CTL_VERSION */
	uint16_t type;
	uint32_t bytes; /* of the whole message, this head included */
};

#define CTL_CREATE_AUDIT 1u /* --audit: mode audit whatever the policy says */

/* With one descriptor (SCM_RIGHTS): a memfd with the compiled policy, sealed against writing,
 * growing, shrinking and further seals. */
struct ctl_create {
	struct ctl_head head;
	uint32_t flags;
	char name[CTL_NAME_MAX];    /* wished for; the daemon makes it unique */
	char log_dir[CTL_PATH_MAX]; /* absolute; empty: the policy's audit.dir */
	char command[1024];         /* for status and events */
	char tool[CTL_NAME_MAX];    /* whose network it is; empty: the agent's */
};

struct ctl_created {
	struct ctl_head head;
	uint32_t fence;
	char name[CTL_NAME_MAX];
	char cgroup[CTL_PATH_MAX]; /* absolute path of the cgroup directory: write a pid to
				      cgroup.procs */
	char log_dir[CTL_PATH_MAX];
};

#define CTL_LAST_MAX 5

struct ctl_last { /* one of the last things that were refused; each once */
	char what[320];
	char suggest[400]; /* the line for the policy's egress list; empty: none */
};

struct ctl_summary {
	struct ctl_head head;
	uint64_t allowed; /* connections and flows */
	uint64_t
	    refused; /* refused attempts: packets folded into flows or names, not single packets */
	uint64_t would_deny;
	uint64_t packets;     /* refused packets in the capture */
	uint64_t lost;        /* refusals that could not be recorded */
	uint64_t write_errno; /* the record could not be written to its end: why; 0: it could */
	uint64_t going;       /* the daemon was told to go, and has ended the fence */
	uint64_t n_last;
	struct ctl_last last[CTL_LAST_MAX]; /* the latest comes last */
};

#define CTL_DENIED_WOULD  1u /* audit mode: it was let through */
#define CTL_DENIED_REPEAT 2u /* count more of what was told before */
#define CTL_DENIED_DIR    8u /* the path is a directory */
#define CTL_DENIED_LOST   4u /* count refusals, or more, are not known: the rest is of no matter */

/* A file or program that a box refused (agentctl sees it, the daemon writes the record). Strings
 * are terminated; path, exe and comm hold whatever the attacker chose. No answer: CTL_DENIED_END
 * (the head only) asks for one when all were sent, the first error there was or CTL_DENIED_NOTED.
 */
struct ctl_denied_file {
	struct ctl_head head;
	uint32_t flags;
	uint32_t rights;                   /* RIGHT_… of policy/base/rights.h */
	uint64_t count, time_ns, until_ns; /* until_ns: REPEAT only */
	uint32_t pid;                      /* 0: not known */
	uint32_t uid;                      /* UINT32_MAX: not known */
	uint32_t exact;             /* 1: pid and exe did it; 0: the only process there was */
	uint32_t snaplen;           /* of a capture that is made new */
	char log_dir[CTL_PATH_MAX]; /* absolute */
	char policy[CTL_PATH_MAX];
	char fence[CTL_NAME_MAX]; /* empty: none */
	char tool[CTL_NAME_MAX];  /* empty: the agent */
	char path[CTL_PATH_MAX + 1];
	char access[128]; /* the kernel's word for it */
	char exe[CTL_PATH_MAX + 1];
	char comm[17];
	char suggest[CTL_PATH_MAX + 256]; /* empty: nothing */
};

/* CTL_ERROR: message and hint, each NUL-terminated, for stderr. */
struct ctl_error {
	struct ctl_head head;
	int32_t code; /* errno */
	char msg[512];
	char hint[512];
};

/* events.jsonl: what agentctl log relies on (design: the record). One object a line:
 * {"@timestamp":"2026-01-02T03:04:05.123456789Z",
 *  "event":{"id":"…","kind":"event","category":["network"],"action":"denied|would_deny",
 *           "reason":"text for people","count":1,"start":"…","end":"…"},      (start, end: repeats)
 *  "agentfw":{"fence":"name","tool":"fetch","code":"no-rule","rule":"policy.yaml:7" |
 * null,"endpoint":"tcp://…", "name":"asked.or.sni" ,"suggest":"  -
 * evil.example","attribution":"exact|fence|none",
 *             "capture":{"file":"denied.pcap","packet":17},"policy":"/path"},
 *  "process":{"pid":1,"executable":"/usr/bin/curl","command_line":"curl …","name":"curl"},
 *  "user":{"id":"1000"},
 *  "source":{"ip":"…","port":1},"destination":{"ip":"…","port":1,"domain":"…"},
 *  "network":{"transport":"tcp","type":"ipv4"}, "dns":{"question":{"name":"…","type":"A"}}}
 * A DNS question has no endpoint. Files and programs: category "file", "file":{"path":"/etc/x","type":"dir"}, and under agentfw
 * "tool" (the agent: none), "code":"file-read|file-write|file-exec|socket|signal|other",
 * "right":"read, write", "access":"fs.read_file", "suggest":"tools: {NAME: {read: [/etc/x]}}"; no
 * endpoint. Lines of another kind ("event":{"kind":"metric"|"state"}) tell of starts, ends and
 * losses: action "fence_started", "fence_ended" (with counts under agentfw.summary), "lost"
 * (agentfw.lost).
 */

#endif
