/* Files and programs that a command's box refused: seen while it runs, told to the daemon's record,
 * and at the end, if the command failed, to whoever started it. */
#ifndef AGENTFW_REFUSED_H
#define AGENTFW_REFUSED_H

#include "agentctl/ctl.h"
#include "policy/base/rights.h"

struct refused_from { /* lives as long as the struct refused */
	const struct policy *policy;
	const struct plan *plan;
	const struct plan *reference;      /* audit mode: what would be enforced; else NULL */
	const char *policy_path, *log_dir; /* absolute */
	const char *tool;                  /* NULL: the agent */
	const char *fence;                 /* its name; NULL or "": none */
	bool verbose;                      /* say why, if nothing can be seen */
};

struct refused;

/* Before launch_start. *ret NULL: the box refuses no files, or nobody tells us which. Fails only
 * where the command must not be started any more. */
int refused_begin(const struct refused_from *from, struct launch *l, struct refused **ret,
		  struct err *e);
/* After the command: what is left goes to the record, and is said if the status is not 0. */
void refused_end(struct refused *r, int status);

/* ---- shared with what else sees refusals -------------------------------------------------------
 */

/* One thing that was refused, or would have been; path, exe and comm as the attacker chose them. */
struct refusal {
	uint32_t rights; /* RIGHT_… */
	uint64_t time_ns;
	const char *path, *access;
	bool name; /* it comes or goes: what counts is the right to its directory */
	bool would, directory;
	/* who; exe NULL: not known */
	uint32_t pid, uid;
	bool exact;
	const char *exe, *comm;
};

/* Who is in the box, if that is one process only: pid, uid, exe, comm. first: what was started,
 * init: it is the first process of a pid namespace, and the command its child. */
struct box_process {
	uint32_t pid, uid;
	char exe[4097], comm[17];
};
bool box_process(pid_t first, bool init, struct box_process *ret);
/* exe, comm and uid of one process. */
bool box_process_read(pid_t pid, struct box_process *ret);

/* refusals.c: each thing once, with how often; and on to the daemon. */
struct refusals;
struct refusal_entry;
int refusals_new(const struct refused_from *from, struct refusals **ret, struct err *e);
void refusals_free(struct refusals *rs);
/* Counts it; NULL: no memory, or too many already, and that is counted too. *ret_new: the first of
 * its kind, which is told with refusals_tell when all is known of it. */
struct refusal_entry *refusals_add(struct refusals *rs, const struct refusal *what, bool *ret_new);
bool refusals_known(const struct refusals *rs, const struct refusal *what);
/* Another, better word of who it was. */
void refusals_who(struct refusal_entry *e, const struct refusal *who);
/* To the daemon, if one runs; else it waits for refusals_finish. */
void refusals_tell(struct refusals *rs, struct refusal_entry *e);
/* Tells the rest, with n that are lost, and says at the end what was refused if status is not 0. */
void refusals_finish(struct refusals *rs, uint64_t lost, int status);

#endif
