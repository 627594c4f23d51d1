/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one program may do: the agent (`agent:`) or one of its tools (`tools:`). A profile is data;
 * what carries it out is agentctl's sandbox. Everything here points into the open policy and lives
 * as long. */
#ifndef AGENTFW_POLICY_PROFILE_H
#define AGENTFW_POLICY_PROFILE_H

#include "policy/base/rights.h"
#include "policy/policy.h"

/* The agent's profile is always there; those of tools follow, in the file's order. */
#define PROFILE_AGENT 0

/* One entry of read, write, exec or deny. The path is absolute, or begins with "~" or "$WORKSPACE"
 * as a whole first component ("~", "~/x", "$WORKSPACE", "$WORKSPACE/x"). A path that was relative
 * in the file stands below the policy's directory. No component is "." or "..", none is empty; no
 * slash at the end but for "/" itself. */
struct profile_path {
	enum right right; /* READ, WRITE or EXEC; NONE: denied */
	bool optional;    /* may be missing */
	bool broad;       /* broad: true was said */
	const char *path;
	unsigned line, col;
};

/* value NULL: passed on from the caller, if they have it. */
struct profile_env {
	const char *name, *value;
};

/* 0: no limit. */
struct profile_limits {
	uint64_t memory;    /* bytes */
	uint64_t file_size; /* bytes of one file */
	uint64_t output;    /* bytes on stdout and stderr together */
	uint32_t pids;
	uint32_t cpu_ms;  /* processor time of one process */
	uint32_t time_ms; /* until the whole tool is killed */
};

struct profile {
	const char *name; /* NULL: the agent */
	unsigned line, col;
	bool confined;  /* read, write, exec or deny was written: everything else is refused. Always
			 * for  tools; an agent that is not keeps its user's file access. */
	bool scrub_env; /* `env` was written, or it is a tool: what is not named goes */
	bool no_network;  /* network: none; a tool without `egress` and `ingress` */
	bool own_network; /* a tool with `egress` or `ingress`: profile_network() is its policy */
	bool broad;       /* broad: true was said of the tool: its command may be a shell */
	bool best_effort; /* what the kernel lacks is left out */
	const char *user; /* NULL: as the agent */
	const char *cwd;  /* as a path above; NULL: as the caller's */
	const char *workspace; /* the policy's `workspace:`, absolute; the policy's directory when
				  it says none */
	struct profile_limits limits;
	size_t n_paths, n_env, n_command, n_unprotect;
};

size_t policy_profiles(const struct policy *p); /* at least 1 */
void policy_profile(const struct policy *p, size_t i, struct profile *ret);
/* The tool of this name, or 0: there is none. */
size_t policy_find_tool(const struct policy *p, const char *name);
void profile_path(const struct policy *p, size_t profile, size_t i, struct profile_path *ret);
/* The list that gives the right: "read", "write", "exec"; NONE: "deny". */
const char *profile_list(enum right right);
void profile_env(const struct policy *p, size_t profile, size_t i, struct profile_env *ret);
/* A word of `command`, placeholders in it. */
const char *profile_command(const struct policy *p, size_t profile, size_t i);
/* A name of the list of protected paths that this profile may write. */
const char *profile_unprotect(const struct policy *p, size_t profile, size_t i);
#define PROFILE_PATH_MAX  2000 /* bytes of a path as it is written */
#define PROFILE_PATHS_MAX 512  /* of one profile, in all its lists */
/* Does an entry of a profile whose text is this absolute path name it, and nothing else? */
bool profile_path_exact(const char *path);
/* By its name, a shell, an interpreter, the loader: what runs whatever it is given. In a list of
 * programs it needs broad: true. */
bool profile_is_interpreter(const char *path);
/* The policy of a tool's own network, a blob for policy_open: its `egress` and `ingress`, and the
 * file's deny, dns, mode and audit. Aligned to 8 bytes inside the policy's blob. NULL when
 * own_network is false. */
const void *profile_network(const struct policy *p, size_t profile, size_t *ret_bytes);

/* ---- places that others trust (protected.c) ---------------------------------------------------
 */

enum protected_flags {
	PROTECTED_SECRET = 1,   /* not read either, unless a profile names it */
	PROTECTED_ANYWHERE = 2, /* in every directory; the others in a writable place itself and in
				   whatever has a .git */
};
struct protected_place {
	const char *name; /* what `unprotect` says; NULL: nothing opens it */
	const char *path; /* "git-data" is all of .git, "git" also what of it runs programs */
	unsigned flags;
};
extern const struct protected_place protected_places[];
extern const size_t protected_places_n;
bool protected_name_known(const char *name);
/* Does `unprotect: [name]` open the place? */
bool protected_opened_by(const struct protected_place *place, const char *name);
/* The place that path is, or lies in, wherever it lies; NULL: none. */
const struct protected_place *protected_place_of(const char *path);

/* ---- a tool's command line (command.c)
 * ---------------------------------------------------------------
 *
 * A word of `command` is text with at most one placeholder:
 *     {word}            letters, digits and . _ + @ % = : , / -  (not empty)
 *     {text}            anything but NUL and control characters; {text:lines} may hold newlines and
 * tabs {int:1-100}       a decimal number in the range {url}             http:// or https:// URL,
 * printable ASCII, no user:password@ {path:workspace}  a file below the workspace: becomes
 * absolute; resolved by the caller's function {args}            any number of words as they are;
 * the whole word, the last one; needs broad: true A value that begins the word may not begin with
 * '-', unless a word "--" stands before it. */
typedef int command_path_fn(void *arg, const char *value, const char *workspace, char *ret,
			    size_t bytes, struct err *e);

/* Builds argv (malloc'd, strings too; free with command_free). values are what stands behind the
 * tool's name. -EINVAL with e: which argument, what it must be. */
int command_build(const struct policy *p, size_t profile, char *const *values, size_t n_values,
		  command_path_fn *path, void *arg, char ***ret_argv, struct err *e);
void command_free(char **argv);

#endif
