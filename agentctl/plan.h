/* What is done to a process before it runs the command: a list of steps in one fixed order, printed
 * by
 * --dry-run from the same list that is applied. */
#ifndef AGENTFW_PLAN_H
#define AGENTFW_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "policy/base/err.h"

enum step_kind {
	STEP_CGROUP,      /* path: join it */
	STEP_MOUNTS,      /* a mount namespace of its own */
	STEP_HIDE,        /* path: nothing is there any more */
	STEP_READ_ONLY,   /* path: remounted read-only */
	STEP_LIMITS,      /* no core dumps */
	STEP_DESCRIPTORS, /* all over 2 closed */
	STEP_BOUNDING,    /* no capability can come back; needs CAP_SETPCAP, so before the user */
	STEP_USER,        /* uid, gid, groups */
	STEP_CAPABILITIES,
	STEP_NO_NEW_PRIVS,
	STEP_LANDLOCK, /* abstract sockets and signals stay inside */
	STEP_SECCOMP,
};

struct step {
	enum step_kind kind;
	char path[4096]; /* empty where the kind has none */
};

#define PLAN_STEPS_MAX 64

struct plan {
	struct step step[PLAN_STEPS_MAX];
	size_t n;
	uid_t uid;
	gid_t gid;
	char user[64];
};

/* run_dir and log_dir are hidden; cgroup may be empty (it is known when the daemon has made it). */
int plan_make(struct plan *p, const char *run_dir, const char *log_dir, struct err *e);
void plan_print(const struct plan *p, FILE *to);
/* As fork(2). *ret_inside: the child was born in the cgroup; where the kernel refuses that it is
 * not. */
pid_t plan_fork(const char *cgroup, bool *ret_inside);
/* Applies every step to the calling process. cgroup: NULL if it is there already. */
int plan_apply(const struct plan *p, const char *cgroup, struct err *e);

/* The mechanisms, a file each. */
int mount_private(struct err *e);
int mount_hide(const char *path, struct err *e);
int mount_read_only(const char *path, struct err *e);
/* Adds what must not be reached to the list: sockets of resolvers, D-Bus, container engines. */
size_t mount_hidden_paths(char paths[][4096], size_t max);
int caps_drop_bounding(struct err *e);
int caps_drop(struct err *e);
int landlock_scope(
    struct err *e); /* nothing where the kernel has none: that is printed by the plan */
bool landlock_can_scope(void);
int seccomp_base(struct err *e);
void seccomp_print(FILE *to);

#endif
