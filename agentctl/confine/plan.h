/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done to a process before it runs a command: a list of steps in one fixed order, printed
 * by --dry-run from the same list that is applied. A mechanism has a file of its own. */
#ifndef AGENTFW_PLAN_H
#define AGENTFW_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum step_kind {
	STEP_CGROUP,     /* join the fence's cgroup and those of limits */
	STEP_NAMESPACES, /* arg: CLONE_NEW…; the process is born in them, except the network's */
	STEP_PRIVATE,    /* arg: MS_SLAVE or MS_PRIVATE: mounts stay here */
	STEP_TREE,       /* every mount read-only, without programs, setuid and devices */
	STEP_TMPFS,      /* path: empty; arg: bytes it can hold, 0: read-only */
	STEP_DEVICES,    /* a /dev of its own */
	STEP_PROC,       /* a /proc of its own */
	STEP_LIBRARY,    /* path: mappable, but not its directories that may hold programs */
	STEP_BIND,       /* path: mounted on itself; arg: enum right, one */
	STEP_HIDE,       /* path: an empty directory, or /dev/null */
	STEP_TOOLS,     /* path: the socket over which tools are called; outside it is plan.tools */
	STEP_DENY,      /* path: there, and nobody may read it */
	STEP_READ_ONLY, /* path: remounted read-only */
	STEP_DIRECTORY, /* path: the working directory; else / */
	STEP_NO_CORES,
	STEP_LIMIT,       /* arg: a limit of setrlimit(2); value */
	STEP_TOGETHER,    /* arg: enum cgroup_kind; value: of all processes; cgroup_make does it */
	STEP_ENVIRONMENT, /* becomes plan.env */
	STEP_DESCRIPTORS, /* all over 2 are closed at the exec */
	STEP_BOUNDING,    /* no capability can come back; needs CAP_SETPCAP, so before the user */
	STEP_USER,        /* uid, gid, groups */
	STEP_CAPABILITIES,
	STEP_NO_NEW_PRIVS,
	STEP_ALLOW,    /* path: Landlock's rule for it; arg: enum right, several */
	STEP_LANDLOCK, /* arg: enum landlock_bits */
	STEP_SECCOMP,  /* arg: enum seccomp_bits */
	STEP_WATCH,    /* arg: 1: every file that is opened, 0: programs and changes */
	STEP_KINDS,
};

struct step {
	enum step_kind kind;
	char *path; /* NULL where the kind has none */
	uint64_t arg, value;
	bool optional; /* ALLOW: may be gone */
	bool implied;  /* not written in the profile */
	int fd; /* BIND, LIBRARY: the tree, taken before anything is mounted over it; else -1 */
};

struct library_dirs;
struct cgroup_limits;

#define PLAN_LACKS_MAX 4

/* Begins as zeroes, with what user_find fills. */
struct plan {
	struct step *step;
	size_t n, room;
	bool failed; /* out of memory while it was made */
	uid_t uid;
	gid_t gid;
	char user[64], home[4096], shell[256];
	bool rootless;                  /* in a user namespace of its own; uid and gid stay */
	bool tool;                      /* an init process stands between: pid namespace */
	struct library_dirs *libraries; /* owned */
	const char *run_dir;            /* has the cache of subdirs.h; NULL: none */
	const char *tools; /* the tools' socket outside; NULL: none are called from inside */
	int watcher;       /* a socket that gets the listener of STEP_WATCH; 0: nobody watches */
	char **env;        /* the whole environment; NULL: the caller's */
	size_t n_env;
	const char *lacks[PLAN_LACKS_MAX]; /* what best_effort left out, for people */
	size_t n_lacks;
};

/* path is copied. NULL: out of memory, and p->failed. */
struct step *plan_add(struct plan *p, enum step_kind kind, const char *path, uint64_t arg);
/* Is path in a directory that is empty in the box at first? */
bool plan_is_private(const struct plan *p, const char *path);
/* As fork(2), with the namespaces of the plan. cgroup may be NULL. *ret_inside: the child was born
 * in the cgroup; false: the kernel refused that, and it must join. */
pid_t plan_fork(const struct plan *p, const char *cgroup, bool *ret_inside);
/* Applies every step to the calling process. cgroup: to be joined, or NULL. lookups: the other end
 * of lookup_send's pipe. */
int plan_apply(struct plan *p, const char *cgroup, const struct cgroup_limits *c, int lookups,
	       struct err *e);
void plan_done(struct plan *p);

#endif
