/* Watching what a command does with files and programs: the kernel holds a system call, tells it to
 * us (seccomp user notification), and lets it go on when we say so. The command can change its
 * arguments after we have looked: so this is for seeing, and for saying at once to those who mean
 * no harm what another mechanism (guard.h) sees to in any case. */
#ifndef AGENTFW_WATCH_H
#define AGENTFW_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agentctl/confine/plan.h"
#include "fw/ipc/control_msg.h"
#include "policy/base/rights.h"

/* What a call is about to do to one path. */
struct watch_event {
	uint32_t pid;
	uint32_t rights;  /* RIGHT_READ, _WRITE, _EXEC: what it needs */
	const char *path; /* absolute, no links in it, as the command's own root has it */
	bool exists;
	bool directory_changes; /* a name comes or goes: what counts is the directory */
	bool goes;
	const char *call;
	const char *by; /* EXEC: the script or program that it is run for; NULL: called itself */
	/* of the file, or of the directory where there is no file; only where all is watched */
	mode_t mode;
	uint64_t born_ns; /* 0: not known */
};

struct watch_user {
	/* Is it worth telling? To be answered at once, many times a second. */
	bool (*wanted)(void *arg, const struct watch_event *e);
	void (*tell)(void *arg, const struct watch_event *e);
	/* Shall the call fail with EPERM? */
	bool (*refuse)(void *arg, const struct watch_event *e);
	void *arg;
};

struct watch;

/* To be called before launch_start, for a plan with a STEP_WATCH. */
int watch_open(struct launch *l, const struct watch_user *user, struct watch **ret, struct err *e);
bool watch_works(const struct watch *w); /* after the command was started */
void watch_free(struct watch *w);

struct watch_stat {
	mode_t mode;
	uint64_t born_ns;
};

/* ---- watch_path.c ------------------------------------------------------------------------------
 */

/* Which file the text of a path means to a process. root: O_PATH, its root; dirfd: as the call has
 * it. follow: a link at the end is followed. 0: ret_path is there, ret_stat (may be NULL) what it
 * is; -ENOENT: only its directory is; another -errno: it cannot be told. */
int watch_path(pid_t pid, int root, int dirfd, const char *text, bool follow, char ret_path[4097],
	       struct watch_stat *ret_stat);
/* openat2 within a root. */
int watch_open_in(int root, const char *text, uint64_t flags);
/* For reading; a regular file or nothing: to open a device does something (a watchdog, once opened,
 * wants to be fed), and the path may lead elsewhere by now. */
int watch_open_file(int root, const char *path);
/* The root of a process, O_PATH. */
int watch_root(pid_t pid);
/* A string in the memory of a process; -errno. */
int watch_string(pid_t pid, uint64_t at, char *ret, size_t bytes);
/* bytes as they are there. */
int watch_memory(pid_t pid, uint64_t at, void *ret, size_t bytes);

/* ---- judge.c -----------------------------------------------------------------------------------
 */

/* Which of the rights a box of this plan refuses for a path. */
uint32_t judge(const struct plan *p, const char *path, uint32_t rights);
/* Could it be mapped as a library? */
bool judge_maps(const struct plan *p, const char *path);
/* Inside a directory that each box has for itself: what the host has there is not in it. */
bool judge_private(const struct plan *p, const char *path);
/* For a name that comes or goes. */
uint32_t judge_name(const struct plan *p, const char *path);

#endif
