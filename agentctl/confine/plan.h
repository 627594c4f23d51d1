/* What is done to a process before it runs a command: a list of steps in one fixed order, printed
 * by
 * --dry-run from the same list that is applied. A mechanism has a file of its own. */
#ifndef AGENTFW_PLAN_H
#define AGENTFW_PLAN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "policy/base/err.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

enum step_kind {
	STEP_CGROUP,     /* join it */
	STEP_NAMESPACES, /* arg: CLONE_NEW…; the process is born in them, but for the network */
	STEP_PRIVATE,    /* arg: MS_SLAVE or MS_PRIVATE: mounts stay here */
	STEP_TREE,       /* every mount read-only, without programs, setuid and devices */
	STEP_TMPFS,      /* path: empty; arg: bytes it can hold, 0: read-only */
	STEP_DEVICES,    /* a /dev of its own */
	STEP_PROC,       /* a /proc of its own */
	STEP_LIBRARY,    /* path: libraries may be mapped; not from directories in it that hold
			    programs */
	STEP_BIND,       /* path: what is there, mounted again; arg: one right */
	STEP_HIDE,       /* path: nothing is there any more */
	STEP_TOOLS,     /* path: the socket over which tools are called; plan.tools is it outside */
	STEP_DENY,      /* path: there, and nobody may read it */
	STEP_READ_ONLY, /* path: remounted read-only */
	STEP_DIRECTORY, /* path: the working directory; "": the caller's, or / */
	STEP_NO_CORES,
	STEP_LIMIT,       /* arg: a limit of setrlimit(2); value */
	STEP_TOGETHER,    /* arg: enum cgroup_kind; value: of all processes; made outside */
	STEP_ENVIRONMENT, /* all of it goes but plan.env */
	STEP_DESCRIPTORS, /* all over 2 closed */
	STEP_BOUNDING,    /* no capability can come back; needs CAP_SETPCAP, so before the user */
	STEP_USER,        /* uid, gid, groups */
	STEP_CAPABILITIES,
	STEP_NO_NEW_PRIVS,
	STEP_ALLOW,    /* path: Landlock's rule for it; arg: enum right bits */
	STEP_LANDLOCK, /* arg: enum landlock_bits */
	STEP_SECCOMP,  /* arg: enum seccomp_bits */
	STEP_WATCH,    /* arg: 1: every file that is opened, 0: programs and changes; see watch.h */
};

enum landlock_bits { LANDLOCK_SCOPE = 1, LANDLOCK_FILES = 2 };
enum seccomp_bits {
	SECCOMP_NO_MEMFD = 1,   /* no files without a name: they could be run */
	SECCOMP_NO_UNIX = 2,    /* no sockets of other programs; socketpair(2) stays */
	SECCOMP_NO_NETWORK = 4, /* where there can be no network namespace */
	SECCOMP_FILTERS = 8,
};

struct step {
	enum step_kind kind;
	char *path; /* NULL where the kind has none */
	uint64_t arg, value;
	bool optional; /* ALLOW: may be gone */
	bool implied;  /* not the profile's words, but what every program needs */
	int fd; /* BIND, LIBRARY: the tree, taken before anything is mounted over it; else -1 */
};

struct library_dirs;
struct guard;
struct cgroup_limits;

#define PLAN_LACKS_MAX 4
struct plan {
	struct step *step;
	size_t n, room;
	bool failed; /* out of memory while it was made */
	uid_t uid;
	gid_t gid;
	char user[64], home[4096], shell[256];
	bool rootless; /* in a user namespace of its own; uid and gid stay */
	bool tool;     /* an init process stands between: pid namespace */
	struct library_dirs *libraries;
	struct guard *guard; /* NULL: nothing that the box may write */
	const char *tools;   /* NULL: no tools are called from inside */
	int watcher;         /* a socket that gets the listener of STEP_WATCH; 0: nobody watches */
	char **env;          /* the whole environment; NULL: the caller's */
	size_t n_env;
	const char *lacks[PLAN_LACKS_MAX]; /* what best_effort does without, for people */
	size_t n_lacks;
};

/* ---- plan.c ------------------------------------------------------------------------------------
 */

struct step *plan_add(struct plan *p, enum step_kind kind, const char *path, uint64_t arg);
void plan_print(const struct plan *p, FILE *to);
/* What is done without: a line each. */
void plan_print_lacks(const struct plan *p, FILE *to);
/* As fork(2), with the namespaces of the plan. cgroup may be NULL. *ret_inside: the child was born
 * in the cgroup; where the kernel refuses that it is not. */
pid_t plan_fork(const struct plan *p, const char *cgroup, bool *ret_inside);
/* Applies every step to the calling process. cgroup: NULL if it is there already. lookups: where
 * lookup_send writes. */
int plan_apply(struct plan *p, const char *cgroup, const struct cgroup_limits *c, int lookups,
	       struct err *e);
void plan_done(struct plan *p);

/* ---- box.c: the plan of a profile --------------------------------------------------------------
 */

enum box_mode {
	BOX_ENFORCE = 0,
	BOX_AUDIT,     /* files are not limited, all of them are watched */
	BOX_REFERENCE, /* as if the profile named files: never applied, what a box of it would
			  refuse */
};

struct box {
	const struct policy *policy;
	size_t profile;
	const char *policy_path; /* protected; absolute */
	const char *run_dir, *log_dir;
	const char *cwd; /* the caller's; NULL: ours */
	enum box_mode mode;
	bool namespaces; /* false: the host forbids them, Landlock and seccomp stand alone */
};
int box_plan(const struct box *b, struct plan *p, struct err *e);
/* path of a profile with "~" and "$WORKSPACE" put in. */
int box_path(const struct plan *p, const char *workspace, const char *path, char *ret, size_t bytes,
	     struct err *e);

/* ---- the mechanisms, a file each
 * ----------------------------------------------------------------- */

/* user.c: NULL or "": whoever is behind sudo, or the caller. */
int user_find(struct plan *p, const char *name, struct err *e);
/* We are another one, and may become p's. */
bool user_changes(const struct plan *p);
int user_become(const struct plan *p, const gid_t *groups, size_t n, struct err *e);
/* The rights of p's user, for looking at files, until user_return. Root only; else nothing happens.
 */
struct user_rights {
	bool own;
	gid_t gid, groups[64];
	int n_groups;
};
int user_borrow(const struct plan *p, struct user_rights *ret, struct err *e);
void user_return(const struct user_rights *r);

/* cgroup.c: limits of a command as a whole, for root */
enum cgroup_kind { CGROUP_MEMORY = 0, CGROUP_PIDS, CGROUP_KINDS };
struct cgroup_limits {
	char v2[4096];                /* the command's cgroup; "": none */
	char dir[CGROUP_KINDS][4096]; /* where that kind is limited; "": it is not */
	bool own[CGROUP_KINDS];       /* a directory of version 1, which is joined */
	bool own_v2;
};
bool cgroup_can_limit(enum cgroup_kind kind);
/* For every STEP_TOGETHER of the plan. fence: the command's cgroup, or NULL. To be removed also
 * after an error. */
int cgroup_make(struct cgroup_limits *c, const struct plan *p, const char *fence, struct err *e);
int cgroup_join(const struct cgroup_limits *c, struct err *e);
/* How often the limit was met: processes killed for memory, forks refused. */
uint64_t cgroup_met(const struct cgroup_limits *c, enum cgroup_kind kind);
void cgroup_remove(struct cgroup_limits *c);

/* namespaces.c */
/* May this user make them here? sure: tried out, which takes a millisecond; else as far as the
 * settings tell. */
bool namespaces_allowed(bool sure);
int namespaces_enter(const struct plan *p, uint64_t flags, struct err *e);

/* mount.c */
int mount_private(unsigned long propagation, struct err *e);
int mount_hide(const char *path, struct err *e);
int mount_read_only(const char *path, struct err *e);
/* Every socket there is of programs that would send something for the agent, or do it: resolvers,
 * D-Bus, container engines, terminals, desktops; real paths, some twice. */
int mount_each_helper(void (*fn)(const char *path, void *arg), void *arg, struct err *e);
/* Every socket file that a process of this network namespace has made; real paths. */
void mount_each_socket(void (*fn)(const char *path, void *arg), void *arg);

/* lookup.c: what the steps of one kind need, in their order: STEP_LIBRARY, then STEP_USER. Written
 * by the process that made the plan, received by the one that applies it. */
int lookup_send(const struct plan *p, enum step_kind kind, int fd);
/* *ret is to be freed, also after an error. -EPIPE: who should send it is gone. */
int lookup_receive(int fd, void **ret, size_t *ret_bytes);

/* subdirs.c: the names of the directories in path, each with a zero at its end. *ret is to be
 * freed, also after an error. */
int subdirs(const char *path, char **ret, size_t *ret_bytes);

/* libraries.c: where the loader finds libraries on this host */
#define LIBRARY_DIRS_MAX 24
struct library_dirs {
	char path[LIBRARY_DIRS_MAX][4096]; /* real ones */
	size_t n;
	char loader[4096]; /* the program that loads dynamic programs; "": none */
};
void library_dirs(struct library_dirs *ret);
/* The directories in a library directory that may hold programs: their names, each with a zero at
 * its end, to be freed. 0 or -errno. */
int library_program_dirs(const struct library_dirs *l, const char *library, char **ret,
			 size_t *ret_bytes);
/* May what lies there, below a library directory, be mapped as a program in a box? */
bool library_maps(const struct library_dirs *l, const char *library, const char *path);
/* The loader that an ELF program names; "": it needs none. -ENOEXEC: no ELF program of this
 * machine. */
int library_loader(const char *program, char *ret, size_t bytes);

/* tree.c: the file system of a box. Paths are real ones: a symbolic link that came in since is an
 * error. */
/* As open(2) with O_PATH; follows no link. */
int tree_open(const char *path);
int tree_take(const char *path, enum right how, int *ret_fd, struct err *e);
int tree_close_down(struct err *e);
int tree_attach(int fd, const char *path, struct err *e);
/* names: of the directories in it that stay without programs, as library_program_dirs has them. */
int tree_library(int fd, const char *path, const char *names, size_t bytes, struct err *e);
int tree_tmpfs(const char *path, uint64_t bytes, struct err *e);
/* Before tree_close_down, which forbids devices. */
int tree_take_devices(struct err *e);
int tree_devices(struct err *e);
int tree_proc(struct err *e);
int tree_deny(const char *path, struct err *e);

/* caps.c */
int caps_drop_bounding(struct err *e);
int caps_drop(struct err *e);

/* landlock.c */
int landlock_abi(void); /* 0: none */
bool landlock_can_scope(void);
bool landlock_can_part(void); /* processes inside from the memory of those outside */
/* A ruleset, or -1 where nothing can be done and nothing is needed. */
int landlock_open(uint64_t bits, int *ret_fd, struct err *e);
int landlock_allow(int ruleset, const char *path, uint64_t allow, bool optional, struct err *e);
int landlock_apply(int ruleset, struct err *e);
int landlock_scope(struct err *e); /* as far as `run` uses it without a profile */

/* seccomp.c */
int seccomp_base(uint64_t bits, struct err *e);
void seccomp_print(uint64_t bits, FILE *to);
/* Loads the filter of a watch and sends its listener over the socket; a message without one: it
 * could not be had. */
int seccomp_watch(bool all, int to, struct err *e);

/* descriptors.c: -EPERM where 0, 1 or 2 leads around the fence or the box */
int descriptors_check(const int streams[3], struct err *e);

/* launch.c: starts a command by its plan and waits for it */

/* What is looked at beside the command: fn is called when fd has something to say or is closed. fn
 * may set fd to -1: nothing more is wanted. */
struct launch_watch {
	int fd;
	void (*fn)(struct launch_watch *w);
	void *arg;
};
#define LAUNCH_WATCHES 8

/* output.c: what the command says, on its way through us. */
#define OUTPUT_BYTES 65536
struct output {
	int from, to;  /* from -1: no more comes */
	unsigned type; /* of to: S_IF… */
	char *buf;
	size_t at, have; /* not written yet */
};
int output_open(struct output *o, int to, int *ret_command); /* the end that the command gets */
void output_close(struct output *o);
bool output_over(const struct output *o); /* all has gone */
void output_poll(const struct output *o, struct pollfd pfd[2]);
/* After poll. left: so many bytes more may be said; false: more than that was. */
bool output_step(struct output *o, const struct pollfd pfd[2], uint64_t *left);

struct launch {
	struct plan *plan;
	const char *cgroup; /* NULL: stays where it is */
	char **argv;
	struct profile_limits limits; /* of time and output; the others are the plan's */
	int streams[3];               /* the command's; over 2, or 0, 1 and 2 in that order */
	struct launch_watch watch[LAUNCH_WATCHES];
	size_t n_watches;
	/* What must be there before the command runs, and not before its process is: begun and
	 * ended while that is busy. NULL, or 0 or -errno: the command is not to be started. */
	int (*begin_meanwhile)(void *arg, struct err *e);
	int (*end_meanwhile)(void *arg, struct err *e);
	void *meanwhile_arg;
	/* afterwards */
	pid_t pid;
	bool over; /* it has ended: its number may be another's by now */
	bool over_time, over_output;
	bool deserted; /* may be set by a watch: nobody waits for the output any more */
	/* its own */
	struct cgroup_limits cgroups;
	uint64_t met[CGROUP_KINDS];
	int signals, end; /* end: the init process tells the status there */
	struct output out[2];
	uint64_t left; /* of limits.output */
};
#define EXIT_PROTECTED   123 /* it made protected places */
#define EXIT_LIMIT       124 /* a limit ended the command */
#define EXIT_CANNOT_EXEC 126
#define EXIT_NOT_FOUND   127
/* Signals go to the command from here on. */
void launch_prepare(struct launch *l);
void launch_watch(struct launch *l, int fd, void (*fn)(struct launch_watch *w), void *arg);
/* An error before the command's first instruction: e, and *ret_exit is the exit status for it. */
int launch_start(struct launch *l, int *ret_exit, struct err *e);
void launch_kill(struct launch *l);
/* The command's exit status, 128 and its number where a signal ended it. */
int launch_wait(struct launch *l);
/* After launch_start, also one that failed. Tells on stderr which limits were met. */
void launch_done(struct launch *l, const char *who);

/* suggest.c: the line of a policy that would allow it, "tools: {NAME: {read: [/etc/x]}}", in buf;
 * NULL: none that may be written down, as for places that are protected, hidden or denied. tool
 * NULL: the agent. rights: RIGHT_… */
const char *suggest_path(const struct plan *p, const char *tool, uint32_t rights, const char *path,
			 char *buf, size_t bytes);
/* path as YAML writes it inside brackets; NULL: it cannot. */
const char *suggest_yaml(const char *path, char *buf, size_t bytes);

/* init.c: the first process of a pid namespace. */
/* A stack to execute argv on, taken before there are limits: they are the command's. NULL: out of
 * memory. */
void *init_stack(char *const argv[]);
/* fn is called on it in a child, whose memory is ours until it executes a program or ends: it must
 * do no other than one of these. Then we pass signals on and reap; when the child ends we kill what
 * is left, write the exit status as one byte to tell, and end. Returns only if there can be no
 * child. */
int init_run(int tell, void *stack, int (*fn)(void *arg), void *arg, struct err *e);

#endif
