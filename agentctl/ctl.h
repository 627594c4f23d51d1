/* What the commands of agentctl share. */
#ifndef AGENTFW_CTL_H
#define AGENTFW_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "agentctl/confine/plan.h"
#include "fw/ipc/control_msg.h"
#include "policy/base/err.h"
#include "policy/policy.h"

#define EXIT_CTL 125 /* agentctl itself failed */

struct command {
	const char *name, *args, *summary;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};
extern const struct command commands[]; /* the last one has no name */

/* Prints "agentctl: message" and the hint to stderr; returns EXIT_CTL. */
int ctl_fail(const struct err *e);
/* The same, where the daemon was waited for; a signal that ended the wait is no failure: returns
 * 128 and its number. signo 0: none. */
int ctl_fail_waiting(int signo, const struct err *e);
/* A wrong command line: says what, how it is written; returns EXIT_CTL. */
int ctl_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* There is no such command, which is told; returns EXIT_CTL. */
int ctl_unknown(const char *command);
/* NULL: there is none of that name. */
const struct command *ctl_find(const char *name);
struct option;
/* getopt_long for a command. shorts has a ':' before its letters (behind '+'). '?': what is wrong
 * has been told. */
int ctl_option(const char *command, int argc, char **argv, const char *shorts,
	       const struct option *longs);
/* Is anything left behind the options, where nothing belongs? Then that is told. */
bool ctl_no_more(const char *command, int argc, char **argv);

/* ---- policy files (policy_file.c) --------------------------------------------------------------
 */

struct policy_file {
	char *path; /* absolute */
	char *text;
	size_t text_bytes;
	void *blob; /* mapped, read-only */
	size_t blob_bytes;
	struct policy *policy;
};
/* Reads, compiles (in a child: policy/child/child.h) and opens path (NULL: ./agentfw.yaml,
 * /etc/agentfw/policy.yaml). Everything that is wrong with the policy has been printed when it
 * returns -EINVAL with e->code 0. */
int policy_file_load(const char *path, struct policy_file *ret, struct err *e);
/* Prints what was found in it, with the lines. */
void policy_file_show(const struct policy_file *f, const struct diags *d);
void policy_file_done(struct policy_file *f);
/* `policy show` (policy_show.c): rules, profiles, protected places. Returns the exit status. */
int policy_show(const char *file);
/* A sealed memfd that holds the blob: what the daemon takes. */
int policy_memfd(const void *blob, size_t bytes, struct err *e);

/* ---- the daemon (client.c) ---------------------------------------------------------------------
 */

#define CLIENT_WAIT_MS 20000

/* How long the daemon is waited for. SIGTERM, SIGINT, SIGHUP and SIGQUIT end the wait also where
 * they are blocked: -EINTR, and signo is the one. */
struct patience {
	unsigned ms; /* for each step; 0: CLIENT_WAIT_MS */
	int signo;
};
/* Forgets such signals that came before. */
void patience_anew(struct patience *p);

/* Connects; starts a daemon when none answers and start is true. Returns the socket; -ENOENT: none
 * runs. */
int client_connect(bool start, struct patience *p, struct err *e);
/* Where agentfwd is. */
bool client_find_daemon(char *ret, size_t bytes);
int client_send(int fd, void *msg, size_t bytes, enum ctl_type type, int pass_fd, struct err *e);
/* Receives one message of this type and exactly this size (text: at most) into msg; an error of the
 * daemon's becomes e. -ETIMEDOUT: it does not answer; e says who, and what to do. */
int client_receive(int fd, void *msg, size_t bytes, enum ctl_type type, struct patience *p,
		   struct err *e);

/* ---- a fence (fence.c) --------------------------------------------------------------------------
 */

struct fence {
	int control; /* -1: none was made */
	struct ctl_created made;
	const char *tool; /* whose; NULL: the agent's */
	bool gone;        /* the daemon */
	bool ended;       /* by the daemon, in order: summary says how it was */
	struct ctl_summary summary;
	struct patience patience;
};
struct fence_wish {
	const void *blob; /* the compiled policy */
	size_t bytes;
	const char *log_dir; /* NULL: the policy's */
	bool audit;
	char **command;
	const char *tool;  /* NULL: the agent itself */
	const char *agent; /* name of the agent's fence that a tool belongs to; NULL: none */
};
/* Asks the daemon, started if need be, for a fence. -EINTR: a signal came first, which is
 * f->patience.signo. */
int fence_open(struct fence *f, const struct fence_wish *w, struct err *e);
/* To be called when the control socket has something to say; arg is the fence. */
void fence_gone(struct launch_watch *w);
/* Kills what is left, tells what was refused; if the command failed, also of the last things. */
void fence_close(struct fence *f, bool verbose, int status);
/* Where the daemon's sockets are. */
const char *run_dir(void);
/* path NULL: "". */
int path_absolute(const char *path, char *ret, size_t bytes, struct err *e);

/* ---- a tool (tool.c) ---------------------------------------------------------------------------
 */

struct tool_call {
	const struct policy_file *policy;
	const char *name;
	char *const *values; /* for the placeholders of its command */
	size_t n_values;
	const char *log_dir; /* NULL: the policy's */
	const char *cwd;     /* of the caller; NULL: ours */
	const char *agent;   /* name of the fence that calls; NULL: none */
	int streams[3];      /* the tool's, as struct launch has them */
	struct ucred who;    /* called, where caller is not -1 */
	int caller;          /* -1, or a socket: when it is closed the tool is killed */
	int stop;            /* the same, of who serves the call */
	bool audit, verbose, dry_run;
};
/* Runs it in its box; every error has been printed. Returns its exit status. */
int tool_run(const struct tool_call *call);

int policy_learn(int argc, char **argv); /* learn.c */

int cmd_run(int argc, char **argv);
int cmd_tool(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_help(int argc, char **argv);

#endif
