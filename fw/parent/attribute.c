// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/attribute.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/base/cleanup.h"

#define PROCESSES_MAX   512
#define DESCRIPTORS_MAX 4096
#define DEPTH_MAX       8 /* cgroup directories below the fence's own */
#define DIRS_MAX        64

struct processes {
	pid_t pid[PROCESSES_MAX];
	size_t n, dirs;
	bool more;
};

/* Reads a small file, cut to the buffer; terminated on success. Bytes read, or -errno. */
static ssize_t slurp(int dir, const char *name, char *buf, size_t bytes)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t n = 0;

	if (fd < 0)
		return -errno;
	while (n < bytes - 1) {
		ssize_t got = read(fd, buf + n, bytes - 1 - n);

		if (got < 0)
			return -errno;
		if (!got)
			break;
		n += (size_t)got;
	}
	buf[n] = '\0';
	return (ssize_t)n;
}

static void gather_pids(int dir, struct processes *ps)
{
	char buf[PROCESSES_MAX * 8], *p = buf, *end;
	ssize_t n = slurp(dir, "cgroup.procs", buf, sizeof(buf));

	if (n <= 0)
		return;
	ps->more |= n == sizeof(buf) - 1;
	for (;; p = end) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			return;
		if (*end != '\n') /* cut off by the buffer's end */
			return;
		if (ps->n == PROCESSES_MAX)
			ps->more = true;
		else if (pid > 0)
			ps->pid[ps->n++] = (pid_t)pid;
	}
}

static void gather(int dir, unsigned depth, struct processes *ps)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;

	gather_pids(dir, ps);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((de = readdir(d))) {
		_cleanup_close_ int sub = -1;

		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		if (depth == DEPTH_MAX || ps->dirs++ == DIRS_MAX) {
			ps->more = true;
			break;
		}
		sub = openat(fd, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub >= 0)
			gather(sub, depth + 1, ps);
	}
	closedir(d);
}

static bool holds(int proc, const char *wanted, unsigned *budget)
{
	int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	bool found = false;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && *budget && (de = readdir(d))) {
		char target[64];
		ssize_t n;

		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		--*budget;
		n = readlinkat(fd, de->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		found = strcmp(target, wanted) == 0;
	}
	closedir(d);
	return found;
}

static int open_proc(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The real uid. The directory's owner would not do: it is root for a process that is not
 * dumpable. */
static uint32_t real_uid(int proc)
{
	char buf[4096];
	const char *p;

	if (slurp(proc, "status", buf, sizeof(buf)) <= 0)
		return UINT32_MAX;
	p = strstr(buf, "\nUid:\t");
	return p ? (uint32_t)strtoul(p + 6, NULL, 10) : UINT32_MAX;
}

static bool describe(int proc, pid_t pid, struct process_info *ret)
{
	ssize_t n = readlinkat(proc, "exe", ret->exe, sizeof(ret->exe) - 1);

	ret->pid = pid;
	ret->exe[n > 0 ? n : 0] = '\0';
	ret->uid = real_uid(proc);
	n = slurp(proc, "comm", ret->name, sizeof(ret->name));
	if (n > 0 && ret->name[n - 1] == '\n')
		ret->name[n - 1] = '\0';
	else if (n <= 0)
		ret->name[0] = '\0';
	n = slurp(proc, "cmdline", ret->cmdline, sizeof(ret->cmdline));
	if (n < 0)
		ret->cmdline[0] = '\0';
	while (n > 0 && ret->cmdline[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (ret->cmdline[i] == '\0')
			ret->cmdline[i] = ' ';
	return ret->exe[0] || ret->name[0];
}

bool attribute_pid(pid_t pid, struct process_info *ret)
{
	_cleanup_close_ int proc = open_proc(pid);

	return proc >= 0 && describe(proc, pid, ret);
}

/* From the end of cgroup.procs: the latest process is the likeliest. */
static enum attribution search(const struct processes *ps, uint32_t inode, struct process_info *ret)
{
	char wanted[32];
	unsigned budget = DESCRIPTORS_MAX;

	snprintf(wanted, sizeof(wanted), "socket:[%u]", inode);
	for (size_t i = ps->n; i-- > 0 && budget;) {
		_cleanup_close_ int proc = open_proc(ps->pid[i]);

		if (proc >= 0 && holds(proc, wanted, &budget))
			return describe(proc, ps->pid[i], ret) ? ATTRIBUTED_EXACT : ATTRIBUTED_NONE;
	}
	return ATTRIBUTED_NONE;
}

enum attribution attribute_process(int cgroup_dir, uint32_t inode, struct process_info *ret)
{
	struct processes ps = {0};

	gather(cgroup_dir, 0, &ps);
	if (inode && search(&ps, inode, ret) == ATTRIBUTED_EXACT)
		return ATTRIBUTED_EXACT;
	if (ps.n == 1 && !ps.more) {
		_cleanup_close_ int proc = open_proc(ps.pid[0]);

		if (proc >= 0 && describe(proc, ps.pid[0], ret))
			return ATTRIBUTED_FENCE;
	}
	return ATTRIBUTED_NONE;
}
