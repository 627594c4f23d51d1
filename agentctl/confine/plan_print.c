// SPDX-License-Identifier: GPL-2.0-or-later

#include "agentctl/confine/plan_print.h"

#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "agentctl/confine/cgroup.h"
#include "agentctl/confine/landlock.h"
#include "agentctl/confine/plan.h"
#include "agentctl/confine/seccomp.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/rights.h"

static void print_namespaces(uint64_t flags, FILE *to)
{
	static const struct {
		uint64_t flag;
		const char *name;
	} all[] = {{CLONE_NEWUSER, "user"},
		   {CLONE_NEWNS, "mount"},
		   {CLONE_NEWPID, "process"},
		   {CLONE_NEWIPC, "ipc"},
		   {CLONE_NEWNET, "network (empty)"}};
	const char *comma = "";

	fputs("namespaces of its own: ", to);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (flags & all[i].flag) {
			fprintf(to, "%s%s", comma, all[i].name);
			comma = ", ";
		}
	fputc('\n', to);
}

static void print_limit(const struct step *s, FILE *to)
{
	unsigned long long v = s->value;

	if (s->arg == RLIMIT_CPU)
		fprintf(to, "each process: at most %llu s of processor time\n", v);
	else if (s->arg == RLIMIT_FSIZE)
		fprintf(to, "no file grows over %llu bytes\n", v);
	else if (s->arg == RLIMIT_NPROC)
		fprintf(to, "at most %llu processes of the user\n", v);
	else
		fprintf(to, "each process: at most %llu bytes of memory of its own\n", v);
}

static void print_allow(const struct step *s, const char *path, FILE *to)
{
	char words[RIGHTS_STRLEN];

	fprintf(to, "may %s  %s%s\n", rights_words((uint32_t)s->arg, words), path,
		s->implied ? "  (implied)" : "");
}

static void print_environment(const struct plan *p, FILE *to)
{
	fputs("environment:", to);
	for (size_t i = 0; i < p->n_env; i++)
		fprintf(to, " %.*s", (int)strcspn(p->env[i], "="), p->env[i]);
	fputs(p->n_env ? "; nothing else\n" : " empty\n", to);
}

static void print_landlock(const struct step *s, FILE *to)
{
	if (s->arg & LANDLOCK_FILES)
		fprintf(to, "Landlock (ABI %d): no other file is opened, made or run\n",
			landlock_abi());
	fputs(landlock_can_scope()  ? "Landlock: abstract sockets and signals stay inside\n"
	      : landlock_can_part() ? "Landlock: the memory of others is out of reach; this kernel "
				      "cannot scope abstract sockets and signals\n"
				    : "Landlock: this kernel cannot scope abstract sockets and "
				      "signals: left out\n",
	      to);
}

/* The text of steps without a path. */
static const char *const alone[STEP_KINDS] = {
    [STEP_CGROUP] = "join the fence's cgroup",
    [STEP_PRIVATE] = "mounts stay inside",
    [STEP_TREE] = "every mount: read-only, no programs, no setuid, no devices",
    [STEP_DEVICES] = "a /dev of its own: null, zero, full, random, urandom",
    [STEP_PROC] = "a /proc of its own, read-only",
    [STEP_NO_CORES] = "no core dumps",
    [STEP_DESCRIPTORS] = "close every descriptor but 0, 1 and 2",
    [STEP_BOUNDING] = "empty the bounding set: no program gives a capability back",
    [STEP_CAPABILITIES] = "drop every capability",
    [STEP_NO_NEW_PRIVS] = "no new privileges",
};

/* The text before the path of a step. */
static const char *const before_path[STEP_KINDS] = {
    [STEP_LIBRARY] = "libraries, no programs in directories below: ",
    [STEP_HIDE] = "hide ",
    [STEP_TOOLS] = "the policy's tools are called at ",
    [STEP_DENY] = "deny ",
    [STEP_READ_ONLY] = "read-only: ",
    [STEP_DIRECTORY] = "go to ",
};

static const char *const binds[] = {[RIGHT_READ] = "no programs, no writing",
				    [RIGHT_WRITE] = "may change, no programs",
				    [RIGHT_EXEC] = "programs and libraries"};

static void print_more(const struct plan *p, const struct step *s, const char *path, FILE *to)
{
	switch ((int)s->kind) {
	case STEP_NAMESPACES:
		print_namespaces(s->arg, to);
		break;
	case STEP_TMPFS:
		fprintf(to, s->arg ? "empty, its own: %s (at most %llu MB)\n" : "empty: %s\n", path,
			(unsigned long long)(s->arg >> 20));
		break;
	case STEP_BIND:
		fprintf(to, "%s: %s\n", binds[s->arg], path);
		break;
	case STEP_LIMIT:
		print_limit(s, to);
		break;
	case STEP_TOGETHER:
		fprintf(to,
			s->arg == CGROUP_MEMORY ? "all processes: at most %llu bytes of memory\n"
						: "at most %llu processes\n",
			(unsigned long long)s->value);
		break;
	case STEP_ENVIRONMENT:
		print_environment(p, to);
		break;
	case STEP_USER:
		fprintf(to, "become %s (uid %u, gid %u)\n", p->user, p->uid, p->gid);
		break;
	case STEP_ALLOW:
		print_allow(s, path, to);
		break;
	case STEP_LANDLOCK:
		print_landlock(s, to);
		break;
	case STEP_SECCOMP:
		fputs("system call filter:\n", to);
		seccomp_print(s->arg, to);
		break;
	case STEP_WATCH:
		fputs(s->arg ? "watched, not limited: files that are opened, programs, changes\n"
			     : "watched: programs that are started, changes of files\n",
		      to);
		break;
	}
}

static void print_step(const struct plan *p, const struct step *s, FILE *to)
{
	char path[4 * PATH_MAX];

	str_clean(path, sizeof(path), s->path ? s->path : "");
	if (alone[s->kind])
		fprintf(to, "%s\n", alone[s->kind]);
	else if (before_path[s->kind])
		fprintf(to, "%s%s\n", before_path[s->kind], path);
	else
		print_more(p, s, path, to);
}

void plan_print_lacks(const struct plan *p, FILE *to)
{
	for (size_t i = 0; i < p->n_lacks; i++)
		fprintf(to, "agentctl: best effort: %s\n", p->lacks[i]);
}

void plan_print(const struct plan *p, FILE *to)
{
	plan_print_lacks(p, to);
	for (size_t i = 0; i < p->n; i++)
		print_step(p, &p->step[i], to);
}
