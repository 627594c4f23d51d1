// SPDX-License-Identifier: GPL-2.0-or-later
/* User, network and pid namespaces; tree.c makes the content of the mount namespace. */
#include "agentctl/confine/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentctl/confine/plan.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"

static int proc_put(const char *path, const char *text, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_set(e, errno, "cannot write '%s': %s", path, strerror(errno));
	return 0;
}

/* The user stays the same. The capabilities that the namespace gives go before the command runs. */
static int identity(const struct plan *p, struct err *e)
{
	char map[64];
	int r = proc_put("/proc/self/setgroups", "deny", e);

	if (r < 0)
		return r;
	snprintf(map, sizeof(map), "%u %u 1\n", p->uid, p->uid);
	if ((r = proc_put("/proc/self/uid_map", map, e)) < 0)
		return r;
	snprintf(map, sizeof(map), "%u %u 1\n", p->gid, p->gid);
	return proc_put("/proc/self/gid_map", map, e);
}

/* Programs use it to talk to themselves. */
static int loopback_up(struct err *e)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &r) < 0)
		return err_set(e, errno, "cannot bring up the loopback device: %s",
			       strerror(errno));
	return 0;
}

int namespaces_enter(const struct plan *p, uint64_t flags, struct err *e)
{
	int r = flags & CLONE_NEWUSER ? identity(p, e) : 0;

	if (r < 0 || !(flags & CLONE_NEWNET))
		return r;
	return unshare(CLONE_NEWNET) < 0
		   ? err_set(e, errno, "cannot make a network namespace: %s", strerror(errno))
		   : loopback_up(e);
}

static long setting(const char *path, long otherwise)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	long value;

	return f && fscanf(f, "%ld", &value) == 1 ? value : otherwise;
}

/* Some hosts let an ordinary user make the namespace but nothing in it: so a mount is tried. */
static bool can_mount(void)
{
	int status = 1, user = geteuid() == 0 ? 0 : CLONE_NEWUSER;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(user | CLONE_NEWNS) < 0 ||
		      mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0);
	if (pid > 0)
		waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool namespaces_allowed(bool sure)
{
	bool likely = geteuid() == 0 ||
		      (setting("/proc/sys/kernel/unprivileged_userns_clone", 1) &&
		       setting("/proc/sys/user/max_user_namespaces", 1) &&
		       !setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0));

	return likely && !sure ? true : can_mount();
}
