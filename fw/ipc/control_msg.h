/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The messages between agentctl and agentfwd, over a SOCK_SEQPACKET unix socket.
 *
 * One message per packet: struct ctl_head, then exactly the body of its type. Both ends are the
 * same build on the same machine: the byte order is native, and a version that differs is an error.
 * The connection that created a fence holds it: when it closes, for whatever reason, the fence's
 * processes are killed and the fence is removed.
 *
 *     agentctl                               agentfwd
 *     CTL_LOG (+ directory, two files)   ->  the record for the next messages
 *                                        <-  CTL_LOG_OPEN | CTL_ERROR
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

#define CTL_VERSION     6
#define CTL_MAX_MESSAGE 65536
#define CTL_NAME_MAX    128 /* [a-z0-9._-], as a cgroup directory's name */
#define CTL_PATH_MAX    4096
/* One run directory per network namespace, since a daemon's rules hold only there. The number is
 * the inode of /proc/self/ns/net. AGENTFW_RUN_DIR in the environment replaces "/run/agentfw". */
#define CTL_RUN_DIR       "/run/agentfw"
#define CTL_SOCKET_FORMAT "%s/net-%llu/control"
#define CTL_CGROUP_DIR    "agentfw" /* below the cgroup v2 mount point */
/* The extended attribute of each directory in it: "INODE RUN_DIR", the network namespace and run
 * directory of the daemon that made it. */
#define CTL_CGROUP_MARK    "user.agentfw.net"
#define CTL_CGROUP_NO_MARK "none" /* made without a daemon, and ended by none */
/* Beside that directory: the cgroup of daemons that agentctl started. */
#define CTL_DAEMON_CGROUP_DIR "agentfwd"

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
	CTL_LOG,
	CTL_LOG_OPEN,
};

struct ctl_head {
	uint16_t version; /* CTL_VERSION */
	uint16_t type;
	uint32_t bytes; /* of the whole message, this head included */
};

#define CTL_FDS_MAX 3

#define CTL_LOG_TAKEN 1u /* fw/record/files.h: taken; packets is known */

/* With three descriptors: the directory, events.jsonl, denied.pcap. agentctl opens them with the
 * rights of its caller; the daemon, which has root's, opens no path that a caller names. CTL_ERROR
 * with EBUSY: the daemon does not have the record, and another process holds the capture's lock;
 * agentctl tries again. */
struct ctl_log {
	struct ctl_head head;
	uint32_t flags;
	uint32_t snaplen;
	uint64_t packets;
	char path[CTL_PATH_MAX]; /* absolute; for status and messages */
};

#define CTL_CREATE_AUDIT 1u /* --audit: mode audit whatever the policy says */

/* After CTL_LOG. With one descriptor (SCM_RIGHTS): a memfd with the compiled policy, sealed against
 * writing, growing, shrinking and further seals. */
struct ctl_create {
	struct ctl_head head;
	uint32_t flags;
	char name[CTL_NAME_MAX]; /* as wished; the daemon makes it unique */
	char command[1024];      /* for status and events */
	char tool[CTL_NAME_MAX]; /* the tool whose network it is; empty: the agent's */
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

struct ctl_last { /* one of the last refusals, without repeats */
	char what[320];
	char suggest[400]; /* the line for the policy's egress list; empty: none */
};

struct ctl_summary {
	struct ctl_head head;
	uint64_t allowed; /* connections and flows */
	uint64_t refused; /* attempts: many packets of a flow or questions for a name are one */
	uint64_t would_deny;
	uint64_t packets;     /* refused packets in the capture */
	uint64_t lost;        /* refusals that could not be recorded */
	uint64_t write_errno; /* why the record is incomplete; 0: it is complete */
	uint64_t going;       /* the daemon was told to end, and has ended the fence */
	uint64_t n_last;
	struct ctl_last last[CTL_LAST_MAX]; /* in order of time */
};

#define CTL_DENIED_WOULD  1u /* audit mode: the access was let through */
#define CTL_DENIED_REPEAT 2u /* `count` repeats of an earlier event */
#define CTL_DENIED_DIR    8u /* the path is a directory */
#define CTL_DENIED_LOST   4u /* at least `count` refusals were lost; the other fields are unused */

/* After CTL_LOG: a file or program that a box refused: agentctl sees it, the daemon records it.
 * Strings are terminated; path, exe and comm hold whatever the attacker chose. There is no reply
 * until CTL_DENIED_END (a head only), which follows the last one: an error of the record, or
 * CTL_DENIED_NOTED. */
struct ctl_denied_file {
	struct ctl_head head;
	uint32_t flags;
	uint32_t rights;                   /* RIGHT_… of policy/base/rights.h */
	uint64_t count, time_ns, until_ns; /* until_ns: for REPEAT only */
	uint32_t pid;                      /* 0: not known */
	uint32_t uid;                      /* UINT32_MAX: not known */
	uint32_t exact; /* 1: pid and exe did it; 0: they are the box's only process */
	char policy[CTL_PATH_MAX];
	char fence[CTL_NAME_MAX]; /* empty: none */
	char tool[CTL_NAME_MAX];  /* empty: the agent */
	char path[CTL_PATH_MAX + 1];
	char access[128]; /* the kernel's name of the access */
	char exe[CTL_PATH_MAX + 1];
	char comm[17];
	char suggest[CTL_PATH_MAX + 256]; /* empty: none */
};

/* CTL_ERROR: message and hint, each NUL-terminated, for stderr. */
struct ctl_error {
	struct ctl_head head;
	int32_t code; /* errno */
	char msg[512];
	char hint[512];
};

/* events.jsonl, as agentctl log reads it. One object per line; a refusal in the
 * network has these fields, each where it applies:
 *
 *     {"@timestamp":"2026-01-02T03:04:05.123456789Z",
 *      "event":{"id":"…","kind":"event","category":["network"],"action":"denied|would_deny",
 *               "reason":"text for people","count":1,"start":"…","end":"…"},
 *      "agentfw":{"fence":"name","tool":"fetch","code":"no-rule","rule":"policy.yaml:7"|null,
 *                 "rule_reason":"…","broad":true,"endpoint":"tcp://…","name":"asked.or.sni",
 *                 "detail":"…","suggest":"  - evil.example","attribution":"exact|fence|none",
 *                 "policy":"/path","capture":{"file":"denied.pcap","packet":17}},
 *      "process":{"pid":1,"executable":"/usr/bin/curl","command_line":"curl …","name":"curl"},
 *      "user":{"id":"1000"},
 *      "source":{"ip":"…","port":1},"destination":{"ip":"…","port":1,"domain":"…"},
 *      "network":{"transport":"tcp","type":"ipv4","direction":"egress|ingress",
 *                 "icmp":{"type":8,"code":0}},
 *      "dns":{"question":{"name":"…","type":"A"}}}
 *
 * start and end: of repeats. A DNS question has no endpoint. Files and programs have the category
 * "file", no endpoint, and
 *
 *      "agentfw":{"tool":"fetch","code":"file-read|file-write|file-exec|socket|signal|other",
 *                 "right":"read, write","access":"fs.read_file",
 *                 "suggest":"tools: {NAME: {read: [/etc/x]}}"},
 *      "file":{"path":"/etc/x","type":"dir"}
 *
 * Without "tool" it is the agent. Other lines, "kind":"state" or "metric", tell of starts, ends and
 * losses: the actions "fence_started", "fence_ended" (with counts in agentfw.summary),
 * "engine_restarted" and "lost" (agentfw.lost). */

#endif
