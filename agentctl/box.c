/* From a profile to a plan: which paths there are, which mounts and rights they need. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/plan.h"
#include "policy/base/cleanup.h"

#define HIDDEN_MAX 48
#define TMP_BYTES  (256ull << 20)

/* What a program needs before it has done anything: the loader's cache, who and where it is. */
static const char *const implied[] = {
    "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/usr/lib/locale",
    "/etc/passwd",      "/etc/group",     "/etc/nsswitch.conf",  "/etc/ssl/openssl.cnf"};
/* … and to use a network */
static const char *const implied_network[] = {"/etc/resolv.conf", "/etc/hosts",
					      "/etc/host.conf",   "/etc/gai.conf",
					      "/etc/services",    "/etc/protocols"};
/* Empty in every box, unless the profile names them. The last ones: sockets of other programs. */
static const char *const private_dirs[] = {"/tmp", "/var/tmp", "/run"};

static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
				      "/dev/urandom"};

static const char *const cgroup_mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};

struct build {
	const struct box *b;
	struct plan *p;
	struct profile profile;
	struct library_dirs *libs;
	char workspace[PATH_MAX];
	bool sockets; /* the profile names one */
	struct err *e;
};

/* ---- paths ----------------------------------------------------------------------------------- */

int box_path(const struct plan *p, const char *workspace, const char *path, char *ret, size_t bytes,
	     struct err *e)
{
	const char *base = "", *rest = path;

	if (path[0] == '~') {
		base = p->home;
		rest = path + 1;
	} else if (strncmp(path, "$WORKSPACE", 10) == 0) {
		base = workspace;
		rest = path + 10;
	}
	return (size_t)snprintf(ret, bytes, "%s%s", base, rest) < bytes
		   ? 0
		   : err_set(e, ENAMETOOLONG, "the path %s is too long", path);
}

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1)
		return true;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int at_path(struct build *b, const struct profile_path *path, int code, const char *what)
{
	static const char *const words[PATH_KINDS] = {"read", "write", "exec", "deny"};

	err_set(b->e, code, "%s:%u:%u: %s: %s: %s", b->b->policy_path, path->line, path->col,
		words[path->kind], path->path, what);
	return -code;
}

/* A link inside the workspace is the agent's: it must not lead a right elsewhere. */
static int resolve(struct build *b, const struct profile_path *path, char *ret)
{
	char text[PATH_MAX];
	int r = box_path(b->p, b->workspace, path->path, text, sizeof(text), b->e);

	if (r < 0)
		return r;
	if (!realpath(text, ret)) {
		r = errno;
		if (r == ENOENT && path->optional)
			return 1;
		at_path(b, path, r, strerror(r));
		return r == ENOENT ? err_hint(b->e, "make it, or write {path: %s, optional: true}",
					      path->path)
				   : -r;
	}
	if (below(text, b->workspace) && !below(ret, b->workspace)) {
		at_path(b, path, ELOOP, "a symbolic link leads out of the workspace");
		return err_hint(b->e, "name the place that is meant: %s", ret);
	}
	return 0;
}

/* ---- mounts ---------------------------------------------------------------------------------- */

static void add_bind(struct build *b, const char *path, enum bind how, bool is_implied)
{
	struct step *s = plan_add(b->p, STEP_BIND, path, how);

	if (s)
		s->implied = is_implied;
}

static void add_allow(struct build *b, const char *path, uint64_t bits, bool is_implied)
{
	struct step *s = plan_add(b->p, STEP_ALLOW, path, bits);

	if (s) {
		s->implied = is_implied;
		s->optional = is_implied;
	}
}

static bool in_private_dir(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(private_dirs); i++)
		if (below(path, private_dirs[i]))
			return true;
	return false;
}

/* Existing ones are mounted read-only; a program that makes a new one makes it in its own box's
 * name. */
static void protect(struct build *b, const char *dir)
{
	for (size_t i = 0; i < protected_paths_n; i++) {
		char path[PATH_MAX + 64], real[PATH_MAX];
		bool open = false;

		for (size_t k = 0; k < b->profile.n_unprotect; k++)
			open |= strcmp(profile_unprotect(b->b->policy, b->b->profile, k),
				       protected_paths[i].name) == 0;
		snprintf(path, sizeof(path), "%s/%s", dir, protected_paths[i].path);
		if (!open && realpath(path, real))
			add_bind(b, real, BIND_READ, true);
	}
}

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void add_mounts(struct build *b, const struct profile_path *path, const char *real)
{
	b->sockets |= path->kind != PATH_DENY && is_socket(real);
	switch (path->kind) {
	case PATH_READ:
		if (in_private_dir(real))
			add_bind(b, real, BIND_READ, false);
		break;
	case PATH_WRITE:
		add_bind(b, real, BIND_WRITE, false);
		protect(b, real);
		if (below(b->b->policy_path, real))
			add_bind(b, b->b->policy_path, BIND_READ, true);
		break;
	case PATH_EXEC:
		add_bind(b, real, BIND_EXEC, false);
		break;
	case PATH_DENY:
		plan_add(b->p, STEP_DENY, real, 0);
		break;
	case PATH_KINDS:
		break;
	}
}

/* Parents before what is in them; of one place the narrower first, so that the wider lies on top,
 * but for what is implied: that protects. */
static int by_path(const void *x, const void *y)
{
	const struct step *a = x, *b = y;
	int d = strcmp(a->path, b->path);

	if (d)
		return d;
	if (a->kind != b->kind) /* what the profile names lies on top of a library directory */
		return a->kind == STEP_LIBRARY ? -1 : 1;
	if (a->arg != b->arg)
		return a->arg < b->arg ? -1 : 1;
	return (int)a->implied - (int)b->implied;
}

static void drop_step(struct plan *p, size_t i)
{
	free(p->step[i].path);
	memmove(&p->step[i], &p->step[i + 1], (p->n - i - 1) * sizeof(p->step[i]));
	p->n--;
}

/* Two mounts of one place: the last in the order stays. A protected place stays protected, and a
 * directory of programs that the profile names is open. */
static int settle(struct build *b, size_t from)
{
	struct plan *p = b->p;

	qsort(p->step + from, p->n - from, sizeof(*p->step), by_path);
	for (size_t i = from; i + 1 < p->n;) {
		const struct step *x = &p->step[i], *y = &p->step[i + 1];

		if (x->kind != y->kind || strcmp(x->path, y->path) != 0) {
			i++;
			continue;
		}
		if (!x->implied && !y->implied && x->arg == BIND_WRITE && y->arg == BIND_EXEC) {
			err_set(b->e, EINVAL, "%s: write and exec of the same place", x->path);
			return err_hint(b->e, "what a tool can write it must not run: take one of "
					      "the two out");
		}
		drop_step(p, x->implied && x->arg == BIND_READ && y->arg == BIND_WRITE ? i + 1 : i);
	}
	return 0;
}

static int mounts(struct build *b)
{
	size_t n = b->profile.n_paths, from;
	char real[PATH_MAX];
	struct profile_path path;
	int r;

	plan_add(b->p, STEP_PRIVATE, NULL, MS_PRIVATE);
	plan_add(b->p, STEP_TREE, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(private_dirs); i++)
		if (realpath(private_dirs[i], real))
			plan_add(b->p, STEP_TMPFS, real,
				 strcmp(private_dirs[i], "/run") == 0 ? 0 : TMP_BYTES);
	plan_add(b->p, STEP_DEVICES, NULL, 0);
	plan_add(b->p, STEP_TMPFS, "/dev/shm", TMP_BYTES);
	plan_add(b->p, STEP_PROC, NULL, 0);
	from = b->p->n;
	for (size_t i = 0; i < b->libs->n; i++)
		plan_add(b->p, STEP_LIBRARY, b->libs->path[i], BIND_EXEC);
	if (!b->profile.no_network && realpath("/etc/resolv.conf", real) && in_private_dir(real))
		add_bind(b, real, BIND_READ, true);
	for (size_t i = 0; i < n; i++) {
		profile_path(b->b->policy, b->b->profile, i, &path);
		r = path.kind == PATH_DENY ? 1 : resolve(b, &path, real);
		if (r < 0)
			return r;
		if (r == 0)
			add_mounts(b, &path, real);
	}
	if ((r = settle(b, from)) < 0)
		return r;
	for (size_t i = 0; i < n; i++) { /* on top of everything */
		profile_path(b->b->policy, b->b->profile, i, &path);
		r = path.kind == PATH_DENY ? resolve(b, &path, real) : 1;
		if (r < 0)
			return r;
		if (r == 0)
			add_mounts(b, &path, real);
	}
	return 0;
}

/* Connecting to a socket file is no business of Landlock's, nor of a read-only mount's. */
static void hide_socket(const char *path, void *arg)
{
	struct build *b = arg;
	struct profile_path named;
	char real[PATH_MAX];

	if (in_private_dir(path))
		return;
	for (size_t i = 0; i < b->profile.n_paths; i++) {
		profile_path(b->b->policy, b->b->profile, i, &named);
		if (resolve(b, &named, real) == 0 && strcmp(real, path) == 0)
			return;
	}
	plan_add(b->p, STEP_HIDE, path, 0);
}

/* agentfw's own files, where they do not lie in a directory that is empty anyway, as the sockets of
 * resolvers, D-Bus and container engines do. */
static void hide(struct build *b)
{
	if (b->b->run_dir && b->b->run_dir[0] && !in_private_dir(b->b->run_dir))
		plan_add(b->p, STEP_HIDE, b->b->run_dir, 0);
	if (b->b->log_dir && b->b->log_dir[0])
		plan_add(b->p, STEP_HIDE, b->b->log_dir, 0);
	if (b->b->profile == PROFILE_AGENT || b->sockets)
		mount_each_socket(hide_socket, b);
}

/* ---- limits and environment ------------------------------------------------------------------ */

static void add_limit(struct build *b, int resource, uint64_t value)
{
	struct step *s = value ? plan_add(b->p, STEP_LIMIT, NULL, (uint64_t)resource) : NULL;

	if (s)
		s->value = value;
}

static void lacks(struct build *b, const char *what)
{
	if (b->p->n_lacks < PLAN_LACKS_MAX)
		b->p->lacks[b->p->n_lacks++] = what;
}

/* As root of the command as a whole; else of each process, and of the box's user in his namespace.
 */
static int limit_together(struct build *b, enum cgroup_kind kind, uint64_t value, int resource)
{
	static const char *const names[CGROUP_KINDS] = {"memory", "pids"};
	struct step *s;

	if (!value)
		return 0;
	if (b->p->rootless || (!cgroup_can_limit(kind) && b->profile.best_effort)) {
		if (!b->p->rootless)
			lacks(b, kind == CGROUP_MEMORY
				     ? "no memory controller: memory is limited process by process"
				     : "no pids controller: every process of the user counts");
		add_limit(b, resource, value);
		return 0;
	}
	if (!cgroup_can_limit(kind)) {
		err_set(b->e, EOPNOTSUPP,
			"limits: %s: this host has no %s controller of cgroups, version 2 or 1",
			names[kind], names[kind]);
		return err_hint(b->e,
				"boot with it (cgroup_enable=%s), leave the limit out, or write "
				"best_effort: true for a limit of each process",
				names[kind]);
	}
	s = plan_add(b->p, STEP_TOGETHER, NULL, kind);
	if (s)
		s->value = value;
	return 0;
}

static int limits(struct build *b)
{
	const struct profile_limits *l = &b->profile.limits;
	int r;

	plan_add(b->p, STEP_NO_CORES, NULL, 0);
	add_limit(b, RLIMIT_CPU, (l->cpu_ms + 999) / 1000);
	add_limit(b, RLIMIT_FSIZE, l->file_size);
	r = limit_together(b, CGROUP_MEMORY, l->memory, RLIMIT_DATA);
	/* the init process of the box is one of ours */
	return r < 0 ? r
		     : limit_together(b, CGROUP_PIDS, l->pids ? l->pids + b->p->tool : 0,
				      RLIMIT_NPROC);
}

static int put_env(struct plan *p, const char *name, const char *value)
{
	char **more = reallocarray(p->env, p->n_env + 2, sizeof(*more));

	if (!more)
		return -ENOMEM;
	p->env = more;
	if (asprintf(&p->env[p->n_env], "%s=%s", name, value) < 0)
		return -ENOMEM;
	p->env[++p->n_env] = NULL;
	return 0;
}

static bool env_named(const struct build *b, const char *name)
{
	struct profile_env env;

	for (size_t i = 0; i < b->profile.n_env; i++) {
		profile_env(b->b->policy, b->b->profile, i, &env);
		if (strcmp(env.name, name) == 0)
			return true;
	}
	return false;
}

/* What is named, and what no program does without. */
static int environment(struct build *b)
{
	const char *const given[][2] = {{"PATH", "/usr/local/bin:/usr/bin:/bin"},
					{"HOME", b->p->home},
					{"USER", b->p->user},
					{"LOGNAME", b->p->user}};
	struct profile_env env;
	const char *tools;
	int r = 0;

	if (!b->profile.scrub_env)
		return 0;
	if (b->b->profile == PROFILE_AGENT && (tools = getenv("AGENTFW_TOOLS")))
		r = put_env(b->p, "AGENTFW_TOOLS", tools);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(given); i++)
		if (!env_named(b, given[i][0]))
			r = put_env(b->p, given[i][0], given[i][1]);
	for (size_t i = 0; r == 0 && i < b->profile.n_env; i++) {
		profile_env(b->b->policy, b->b->profile, i, &env);
		if (!env.value)
			env.value = getenv(env.name);
		if (env.value)
			r = put_env(b->p, env.name, env.value);
	}
	plan_add(b->p, STEP_ENVIRONMENT, NULL, 0);
	return r < 0 ? err_set(b->e, ENOMEM, "out of memory") : 0;
}

/* ---- rights ---------------------------------------------------------------------------------- */

static void allow_implied(struct build *b)
{
	char real[PATH_MAX];

	add_allow(b, "/proc", ALLOW_READ, true);
	for (size_t i = 0; !b->b->namespaces && i < ARRAY_SIZE(devices); i++)
		add_allow(b, devices[i], ALLOW_READ | ALLOW_WRITE, true);
	if (b->b->namespaces)
		add_allow(b, "/dev", ALLOW_READ | ALLOW_WRITE, true);
	for (size_t i = 0; b->b->namespaces && i < ARRAY_SIZE(private_dirs); i++)
		if (realpath(private_dirs[i], real))
			add_allow(b, real,
				  strcmp(private_dirs[i], "/run") == 0 ? ALLOW_READ
								       : ALLOW_READ | ALLOW_WRITE,
				  true);
	for (size_t i = 0; i < b->libs->n; i++)
		add_allow(b, b->libs->path[i], ALLOW_READ, true);
	if (b->libs->loader[0])
		add_allow(b, b->libs->loader, ALLOW_EXEC, true);
	for (size_t i = 0; i < ARRAY_SIZE(implied); i++)
		if (realpath(implied[i], real))
			add_allow(b, real, ALLOW_READ, true);
	for (size_t i = 0; !b->profile.no_network && i < ARRAY_SIZE(implied_network); i++)
		if (realpath(implied_network[i], real))
			add_allow(b, real, ALLOW_READ, true);
}

static int rights(struct build *b)
{
	static const uint64_t bits[] = {
	    [PATH_READ] = ALLOW_READ, [PATH_WRITE] = ALLOW_WRITE, [PATH_EXEC] = ALLOW_EXEC};
	struct profile_path path;
	char real[PATH_MAX];

	allow_implied(b);
	for (size_t i = 0; i < b->profile.n_paths; i++) {
		int r;

		profile_path(b->b->policy, b->b->profile, i, &path);
		if (path.kind == PATH_DENY)
			continue;
		if ((r = resolve(b, &path, real)) < 0)
			return r;
		if (r == 0)
			add_allow(b, real, bits[path.kind], false);
		b->sockets |= r == 0 && is_socket(real);
	}
	plan_add(b->p, STEP_LANDLOCK, NULL, LANDLOCK_FILES | LANDLOCK_SCOPE);
	return 0;
}

/* ---- the plan -------------------------------------------------------------------------------- */

static int directory(struct build *b)
{
	char path[PATH_MAX] = "", real[PATH_MAX];
	int r;

	if (b->profile.cwd) {
		r = box_path(b->p, b->workspace, b->profile.cwd, path, sizeof(path), b->e);
		if (r < 0)
			return r;
		if (!realpath(path, real))
			return err_set(b->e, errno, "cwd: %s: %s", path, strerror(errno));
	} else if (b->b->cwd) {
		snprintf(real, sizeof(real), "%s", b->b->cwd);
	} else if (!getcwd(real, sizeof(real))) {
		snprintf(real, sizeof(real), "/");
	}
	plan_add(b->p, STEP_DIRECTORY, real, 0);
	return 0;
}

/* A relative name below the workspace can be compared only with a real one. */
static int find_workspace(struct build *b)
{
	return realpath(b->profile.workspace, b->workspace)
		   ? 0
		   : err_set(b->e, errno, "workspace: %s: %s", b->profile.workspace,
			     strerror(errno));
}

/* What needs rights before the rights go; the filter last, since it forbids steps before it. The
 * working directory is one that the user himself may enter. */
static int drop_rights(struct build *b)
{
	int r = 0;

	plan_add(b->p, STEP_DESCRIPTORS, NULL, 0);
	plan_add(b->p, STEP_BOUNDING, NULL, 0);
	plan_add(b->p, STEP_USER, NULL, 0);
	plan_add(b->p, STEP_CAPABILITIES, NULL, 0);
	if (b->profile.confined || b->profile.cwd)
		r = directory(b);
	plan_add(b->p, STEP_NO_NEW_PRIVS, NULL, 0);
	return r;
}

/* The socket is put into a directory that is empty in the fence: the run directory. */
static void tools_socket(struct build *b)
{
	char path[PATH_MAX];

	if (b->b->profile != PROFILE_AGENT || policy_profiles(b->b->policy) < 2)
		return;
	snprintf(path, sizeof(path), "%s/tools", b->b->run_dir);
	plan_add(b->p, STEP_TOOLS, path, 0);
}

/* An agent that keeps its user's files: nothing that carries data out for it, no way out of the
 * cgroup. */
static void hide_helpers(struct build *b)
{
	static char hidden[HIDDEN_MAX][4096];
	size_t n = mount_hidden_paths(hidden, HIDDEN_MAX);
	struct stat st;

	for (size_t i = 0; i < n; i++)
		plan_add(b->p, STEP_HIDE, hidden[i], 0);
	if (b->b->run_dir[0])
		plan_add(b->p, STEP_HIDE, b->b->run_dir, 0);
	if (b->b->log_dir[0])
		plan_add(b->p, STEP_HIDE, b->b->log_dir, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cgroup_mounts); i++)
		if (stat(cgroup_mounts[i], &st) == 0)
			plan_add(b->p, STEP_READ_ONLY, cgroup_mounts[i], 0);
}

static int leave_open(struct build *b)
{
	int r;

	plan_add(b->p, STEP_CGROUP, NULL, 0);
	plan_add(b->p, STEP_NAMESPACES, NULL,
		 CLONE_NEWNS | (b->profile.no_network ? CLONE_NEWNET : 0));
	plan_add(b->p, STEP_PRIVATE, NULL, MS_SLAVE);
	hide_helpers(b);
	tools_socket(b);
	if ((r = limits(b)) < 0 || (r = environment(b)) < 0 || (r = drop_rights(b)) < 0)
		return r;
	plan_add(b->p, STEP_LANDLOCK, NULL, LANDLOCK_SCOPE);
	plan_add(b->p, STEP_SECCOMP, NULL, 0);
	return 0;
}

/* What the kernel or the host lacks is a refusal that names it. One of the two nets must hold. */
static int check_host(struct build *b)
{
	bool landlock = landlock_abi() > 0, best_effort = b->profile.best_effort;

	if (!landlock && (!best_effort || !b->b->namespaces)) {
		err_set(b->e, ENOSYS, "this kernel has no Landlock: files cannot be limited");
		return err_hint(b->e,
				"boot with it (built with CONFIG_SECURITY_LANDLOCK, and named in "
				"lsm=)%s",
				b->b->namespaces
				    ? ", or write best_effort: true: mounts alone hold, "
				      "and what the user may read can be read"
				    : "");
	}
	if (!b->b->namespaces && !best_effort) {
		err_set(b->e, EPERM,
			"this host forbids user namespaces to ordinary users: no mounts "
			"of its own, no process namespace, no private /tmp, and programs "
			"in readable places could be run through the loader");
		return err_hint(b->e, "start it with sudo, allow them (sysctl "
				      "kernel.apparmor_restrict_unprivileged_userns=0), or write "
				      "best_effort: true to run with Landlock and seccomp alone");
	}
	if (!landlock)
		lacks(b, "no Landlock in this kernel: mounts alone hold, and what the user may "
			 "read can be read");
	if (!b->b->namespaces)
		lacks(b, "no user namespaces here: no mounts of its own, no process namespace, no "
			 "private /tmp; Landlock and the system call filter hold alone, and "
			 "programs in readable places can be run through the loader");
	return 0;
}

/* Into the cgroup first, so that no socket is made outside. */
static int confine(struct build *b)
{
	uint64_t ns = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
		      (b->profile.no_network ? CLONE_NEWNET : 0) |
		      (b->p->rootless ? CLONE_NEWUSER : 0);
	int r = check_host(b);

	if (r < 0)
		return r;
	plan_add(b->p, STEP_CGROUP, NULL, 0);
	if (b->b->namespaces) {
		plan_add(b->p, STEP_NAMESPACES, NULL, ns);
		if ((r = mounts(b)) < 0)
			return r;
		hide(b);
		tools_socket(b);
		b->p->tool = true;
	}
	if ((r = limits(b)) < 0 || (r = environment(b)) < 0 || (r = drop_rights(b)) < 0 ||
	    (landlock_abi() && (r = rights(b)) < 0))
		return r;
	plan_add(b->p, STEP_SECCOMP, NULL,
		 SECCOMP_NO_MEMFD |
		     (b->b->profile != PROFILE_AGENT && !b->sockets ? SECCOMP_NO_UNIX : 0) |
		     (b->profile.no_network && !b->b->namespaces ? SECCOMP_NO_NETWORK : 0));
	plan_add(b->p, STEP_WATCH, NULL, 0);
	return 0;
}

int box_plan(const struct box *box, struct plan *p, struct err *e)
{
	static struct build b;
	int r;

	b = (struct build){.b = box, .p = p, .e = e};
	policy_profile(box->policy, box->profile, &b.profile);
	p->rootless = geteuid() != 0;
	b.libs = p->libraries = calloc(1, sizeof(*b.libs));
	if (!b.libs)
		return err_set(e, ENOMEM, "out of memory");
	library_dirs(b.libs);
	if (b.profile.confined)
		r = (r = find_workspace(&b)) < 0 ? r : confine(&b);
	else
		r = leave_open(&b);
	return r == 0 && p->failed ? err_set(e, ENOMEM, "out of memory") : r;
}
