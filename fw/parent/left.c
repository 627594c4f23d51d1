// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/left.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fw/ipc/control_msg.h"
#include "fw/ipc/sockdiag.h"
#include "fw/parent/attribute.h"
#include "fw/parent/host.h"
#include "policy/base/cleanup.h"
#include "policy/base/log.h"

#define WAIT_MS   5000
#define LOOK_MS   5
#define TRIES     3
#define DEPTH_MAX 16

enum whose {
	WHOSE_OTHERS,
	WHOSE_UNKNOWN, /* no mark, and processes whose namespace we cannot see */
	WHOSE_INSIDE,  /* it has a process of this network namespace */
	WHOSE_OURS,    /* we end it */
};

static ino_t own_net(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) == 0 ? st.st_ino : 0;
}

void left_mark(int cgroup_fd, const char *run_dir)
{
	char text[400];
	int n = snprintf(text, sizeof(text), "%llu %s", (unsigned long long)own_net(), run_dir);

	if (n > 0 && (size_t)n < sizeof(text))
		(void)fsetxattr(cgroup_fd, CTL_CGROUP_MARK, text, (size_t)n, 0);
}

/* ---- whose it is --------------------------------------------------------- */

static enum whose process_whose(long pid, ino_t net)
{
	struct stat st;
	char path[64];

	if (pid <= 0) /* in a process namespace that we do not see */
		return WHOSE_UNKNOWN;
	snprintf(path, sizeof(path), "/proc/%ld/ns/net", pid);
	/* The process has ended, perhaps with a child left, or only its first thread has. */
	if (stat(path, &st) < 0)
		return WHOSE_UNKNOWN;
	return st.st_ino == net ? WHOSE_INSIDE : WHOSE_OTHERS;
}

static enum whose members_whose(int dir, ino_t net, unsigned depth);

static enum whose below_whose(int dir, ino_t net, unsigned depth)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	enum whose found = WHOSE_OTHERS;
	struct dirent *de;

	while (d && (de = readdir(d))) {
		_cleanup_close_ int sub = -1;
		enum whose w;

		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		sub = openat(dir, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		w = sub < 0 ? WHOSE_UNKNOWN : members_whose(sub, net, depth + 1);
		found = w > found ? w : found;
	}
	if (d)
		closedir(d);
	else if (copy >= 0)
		close(copy);
	return found;
}

/* By the processes in the cgroup and below: the highest of their values. */
static enum whose members_whose(int dir, ino_t net, unsigned depth)
{
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	enum whose found = f ? WHOSE_OTHERS : WHOSE_UNKNOWN;
	char line[32];

	if (fd >= 0 && !f)
		close(fd);
	while (f && fgets(line, sizeof(line), f)) {
		enum whose w = process_whose(strtol(line, NULL, 10), net);

		found = w > found ? w : found;
	}
	if (f && ferror(f)) /* threaded: EOPNOTSUPP */
		found = found > WHOSE_UNKNOWN ? found : WHOSE_UNKNOWN;
	if (f)
		fclose(f);
	if (depth < DEPTH_MAX) {
		enum whose w = below_whose(dir, net, depth);

		found = w > found ? w : found;
	}
	return found;
}

/* Of a fence's cgroup. Its mark decides which daemon ends it. Even if that is another daemon, a
 * process inside it that is in our network namespace keeps our rules. */
static enum whose cgroup_whose(const struct left *l, int dir, ino_t net)
{
	char text[400], *space = NULL;
	ssize_t n = fgetxattr(dir, CTL_CGROUP_MARK, text, sizeof(text) - 1);
	enum whose members;
	bool ours;

	if (n > 0) {
		text[n] = '\0';
		space = strchr(text, ' ');
		ours = space && strtoull(text, NULL, 10) == net &&
		       (l->alone || strcmp(space + 1, l->run_dir) == 0);
		if (ours)
			return WHOSE_OURS;
		if (!host_cgroup_populated(dir))
			return WHOSE_OTHERS;
		return members_whose(dir, net, 0) == WHOSE_INSIDE ? WHOSE_INSIDE : WHOSE_OTHERS;
	}
	members = host_cgroup_populated(dir) ? members_whose(dir, net, 0) : WHOSE_OTHERS;
	return members == WHOSE_INSIDE && l->alone ? WHOSE_OURS : members;
}

/* ---- the end of it ------------------------------------------------------- */

/* The agentctl whose process number is in the name has ended. */
static bool maker_gone(const char *name)
{
	const char *dash = strrchr(name, '-');
	char proc[32];

	if (!dash)
		return false;
	snprintf(proc, sizeof(proc), "/proc/%ld", strtol(dash + 1, NULL, 10));
	return access(proc, F_OK) < 0;
}

static void remove_tree(int above, const char *name, unsigned depth)
{
	int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && depth < DEPTH_MAX && (de = readdir(d)))
		if (de->d_type == DT_DIR && de->d_name[0] != '.')
			remove_tree(fd, de->d_name, depth + 1);
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	unlinkat(above, name, AT_REMOVEDIR);
}

static bool kill_all(int dir)
{
	for (unsigned ms = 0; host_cgroup_populated(dir); ms += LOOK_MS) {
		if (ms >= WAIT_MS)
			return false;
		host_cgroup_kill(dir); /* again: a process may be moved in meanwhile */
		usleep(LOOK_MS * 1000);
	}
	return true;
}

static void end_one(const struct left *l, int above, int dir, const char *name)
{
	struct stat st;
	uint64_t id;

	log_warn("fence '%s': its daemon died, and its processes lived on; they are killed", name);
	id = fstat(dir, &st) == 0 ? st.st_ino : 0;
	for (unsigned i = 0; i < TRIES && host_cgroup_populated(dir); i++) {
		if (!kill_all(dir))
			break;
		if (id && l->sockdiag_fd >= 0)
			sockdiag_destroy_cgroups(l->sockdiag_fd, &id, 1);
		remove_tree(above, name, 0); /* fails if its agentctl has just moved a process in */
	}
	if (host_cgroup_populated(dir))
		log_error("fence '%s': its processes do not end; they stay closed in", name);
}

static void each(const struct left *l,
		 bool (*fn)(const struct left *l, int above, int dir, const char *name,
			    enum whose whose),
		 bool *ret_any)
{
	DIR *d = opendir(l->root);
	ino_t net = own_net();
	struct dirent *de;

	if (!d && errno != ENOENT) /* no descriptor or memory: unknown */
		*ret_any = true;
	while (d && (de = readdir(d))) {
		_cleanup_close_ int dir = -1;
		enum whose whose;

		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		dir = openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (dir < 0 && errno != ENOENT)
			*ret_any = true;
		if (dir < 0)
			continue;
		whose = cgroup_whose(l, dir, net);
		if (fn(l, dirfd(d), dir, de->d_name, whose))
			*ret_any = true;
	}
	if (d)
		closedir(d);
}

static bool end_ours(const struct left *l, int above, int dir, const char *name, enum whose whose)
{
	if (whose == WHOSE_OURS && host_cgroup_populated(dir))
		end_one(l, above, dir, name);
	else if (whose == WHOSE_OURS)
		remove_tree(above, name, 0);
	else if (maker_gone(name))
		unlinkat(above, name, AT_REMOVEDIR); /* fails if a process is in it */
	return false;
}

static bool is_alive(const struct left *l, int above, int dir, const char *name, enum whose whose)
{
	if (whose == WHOSE_OTHERS)
		return false;
	if (whose == WHOSE_OURS)
		remove_tree(above, name, 0);
	return host_cgroup_populated(dir);
}

void left_end(const struct left *l)
{
	bool unused = false;

	each(l, end_ours, &unused);
}

bool left_alive(const struct left *l)
{
	bool any = false;

	each(l, is_alive, &any);
	return any;
}
