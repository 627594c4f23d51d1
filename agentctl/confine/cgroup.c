// SPDX-License-Identifier: GPL-2.0-or-later
/* Limits of a command as a whole, by cgroups of version 2 where the host gives these the
 * controllers, else by the hierarchies of version 1. */
#include "agentctl/confine/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agentctl/confine/plan.h"
#include "fw/ipc/control_msg.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"

#define V1_PREFIX   "agentfw-" /* and our pid */
#define REMOVE_TRY  200
#define REMOVE_WAIT 5000 /* us */

static const char *const controllers[CGROUP_KINDS] = {"memory", "pids"};
static const char *const limit_v2[CGROUP_KINDS] = {"memory.max", "pids.max"};
static const char *const limit_v1[CGROUP_KINDS] = {"memory.limit_in_bytes", "pids.max"};

/* ---- small files ----------------------------------------------------------------------------- */

static int cgroup_put(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX + 64];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static bool has_word(const char *text, const char *word, const char *separators)
{
	size_t n = strlen(word);

	for (const char *p = text; *p;) {
		size_t len = strcspn(p, separators);

		if (len == n && strncmp(p, word, n) == 0)
			return true;
		p += len + (p[len] != '\0');
	}
	return false;
}

static bool read_all(const char *dir, const char *file, char *ret, size_t bytes)
{
	char path[PATH_MAX + 64];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, bytes - 1);
	ret[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

/* The number behind a word at the beginning of a line; 0: there is none. */
static uint64_t counter(const char *dir, const char *file, const char *word)
{
	char text[1024];
	size_t n = strlen(word);

	if (!read_all(dir, file, text, sizeof(text)))
		return 0;
	for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (strncmp(p, word, n) == 0 && p[n] == ' ')
			return strtoull(p + n, NULL, 10);
	return 0;
}

/* ---- what the host has ----------------------------------------------------------------------- */

/* Where the hierarchy with this controller is mounted; controller NULL: version 2. */
static bool find_mount(const char *controller, char *ret, size_t bytes)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mounts", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0) {
		char *save, *path, *type, *options;

		strtok_r(line, " ", &save);
		path = strtok_r(NULL, " ", &save);
		type = strtok_r(NULL, " ", &save);
		options = strtok_r(NULL, " ", &save);
		if (!options || strcmp(type, controller ? "cgroup" : "cgroup2") != 0 ||
		    (controller && !has_word(options, controller, ",")))
			continue;
		return (size_t)snprintf(ret, bytes, "%s", path) < bytes;
	}
	return false;
}

/* Makes version 2's controller reach the directory of fences. false: it cannot. */
static bool enable_v2(const char *controller, char *root, size_t bytes)
{
	char dir[PATH_MAX], text[512], plus[32];

	if (!find_mount(NULL, root, bytes) ||
	    !read_all(root, "cgroup.controllers", text, sizeof(text)) ||
	    !has_word(text, controller, " \n"))
		return false;
	snprintf(plus, sizeof(plus), "+%s", controller);
	snprintf(dir, sizeof(dir), "%s/" CTL_CGROUP_DIR, root);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return false;
	return cgroup_put(root, "cgroup.subtree_control", plus) == 0 &&
	       cgroup_put(dir, "cgroup.subtree_control", plus) == 0;
}

bool cgroup_can_limit(enum cgroup_kind kind)
{
	char mount[PATH_MAX], text[512];

	if (geteuid() != 0)
		return false;
	return (find_mount(NULL, mount, sizeof(mount)) &&
		read_all(mount, "cgroup.controllers", text, sizeof(text)) &&
		has_word(text, controllers[kind], " \n")) ||
	       find_mount(controllers[kind], mount, sizeof(mount));
}

/* ---- version 1 ------------------------------------------------------------------------------- */

/* Directories that a killed agentctl has left: their pid is nobody's now. */
static void remove_stale(const char *mount)
{
	DIR *d = opendir(mount);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[PATH_MAX + NAME_MAX + 2], *end;
		long pid;

		if (strncmp(e->d_name, V1_PREFIX, strlen(V1_PREFIX)) != 0)
			continue;
		pid = strtol(e->d_name + strlen(V1_PREFIX), &end, 10);
		if (pid <= 0 || *end || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
			continue;
		snprintf(path, sizeof(path), "%s/%s", mount, e->d_name);
		rmdir(path);
	}
	if (d)
		closedir(d);
}

static int make_v1(struct cgroup_limits *c, enum cgroup_kind kind, uint64_t value, struct err *e)
{
	char mount[PATH_MAX - 64], number[32];
	int r;

	if (!find_mount(controllers[kind], mount, sizeof(mount)))
		return err_set(e, ENOENT, "this host has no %s controller of cgroups",
			       controllers[kind]);
	remove_stale(mount);
	snprintf(c->dir[kind], sizeof(c->dir[kind]), "%s/" V1_PREFIX "%d", mount, (int)getpid());
	if (mkdir(c->dir[kind], 0755) < 0 && errno != EEXIST) {
		r = errno;
		err_set(e, r, "cannot make '%s': %s", c->dir[kind], strerror(r));
		c->dir[kind][0] = '\0';
		return -r;
	}
	c->own[kind] = true;
	snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
	if ((r = cgroup_put(c->dir[kind], limit_v1[kind], number)) < 0)
		return err_set(e, -r, "cannot limit %s in '%s': %s", controllers[kind],
			       c->dir[kind], strerror(-r));
	/* memory with swap; a kernel without swap accounting has no such file */
	if (kind == CGROUP_MEMORY)
		cgroup_put(c->dir[kind], "memory.memsw.limit_in_bytes", number);
	return 0;
}

/* ---- either ---------------------------------------------------------------------------------- */

static int make_v2(struct cgroup_limits *c, const char *root, enum cgroup_kind kind, uint64_t value,
		   struct err *e)
{
	char number[32];
	int r;

	if (!c->v2[0]) {
		snprintf(c->v2, sizeof(c->v2), "%s/" CTL_CGROUP_DIR "/tool-%d", root,
			 (int)getpid());
		if (mkdir(c->v2, 0755) < 0 && errno != EEXIST) {
			r = errno;
			err_set(e, r, "cannot make '%s': %s", c->v2, strerror(r));
			c->v2[0] = '\0';
			return -r;
		}
		c->own_v2 = true;
		/* a daemon that ends the fences of dead daemons must not take it for one */
		(void)setxattr(c->v2, CTL_CGROUP_MARK, CTL_CGROUP_NO_MARK,
			       strlen(CTL_CGROUP_NO_MARK), 0);
	}
	memcpy(c->dir[kind], c->v2, sizeof(c->v2));
	snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
	if ((r = cgroup_put(c->v2, limit_v2[kind], number)) < 0)
		return err_set(e, -r, "cannot limit %s in '%s': %s", controllers[kind], c->v2,
			       strerror(-r));
	if (kind == CGROUP_MEMORY) {
		cgroup_put(c->v2, "memory.swap.max", "0");
		cgroup_put(c->v2, "memory.oom.group", "1");
	}
	return 0;
}

int cgroup_make(struct cgroup_limits *c, const struct plan *p, const char *fence, struct err *e)
{
	char root[PATH_MAX - 64];
	int r = 0;

	*c = (struct cgroup_limits){0};
	snprintf(c->v2, sizeof(c->v2), "%s", fence ? fence : "");
	for (size_t i = 0; r == 0 && i < p->n; i++) {
		const struct step *s = &p->step[i];
		enum cgroup_kind kind = (enum cgroup_kind)s->arg;

		if (s->kind != STEP_TOGETHER)
			continue;
		r = enable_v2(controllers[kind], root, sizeof(root))
			? make_v2(c, root, kind, s->value, e)
			: make_v1(c, kind, s->value, e);
	}
	return r;
}

int cgroup_join(const struct cgroup_limits *c, struct err *e)
{
	for (int i = 0; i < CGROUP_KINDS; i++) {
		int r = c->own[i] ? cgroup_put(c->dir[i], "cgroup.procs", "0") : 0;

		if (r < 0)
			return err_set(e, -r, "cannot join '%s': %s", c->dir[i], strerror(-r));
	}
	return 0;
}

uint64_t cgroup_met(const struct cgroup_limits *c, enum cgroup_kind kind)
{
	if (!c->dir[kind][0])
		return 0;
	if (kind == CGROUP_PIDS)
		return counter(c->dir[kind], "pids.events", "max");
	return c->own[kind] ? counter(c->dir[kind], "memory.oom_control", "oom_kill")
			    : counter(c->dir[kind], "memory.events", "oom_kill");
}

static void remove_dir(const char *path)
{
	for (int i = 0; i < REMOVE_TRY && rmdir(path) < 0 && errno == EBUSY; i++)
		usleep(REMOVE_WAIT);
}

void cgroup_remove(struct cgroup_limits *c)
{
	for (int i = 0; i < CGROUP_KINDS; i++)
		if (c->own[i])
			remove_dir(c->dir[i]);
	if (c->own_v2)
		remove_dir(c->v2);
	*c = (struct cgroup_limits){0};
}
