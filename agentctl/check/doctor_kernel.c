// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel has for fences and boxes; netfilter is in doctor_net.c. */
#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentctl/check/doctor.h"
#include "agentctl/confine/cgroup.h"
#include "agentctl/confine/landlock.h"
#include "agentctl/seen/audit.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/sudo.h"

#define FLOOR_MAJOR 5
#define FLOOR_MINOR 15

static void version(struct checks *c)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	bool ok;
	struct check *k;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		snprintf(u.release, sizeof(u.release), "?");
	ok = major > FLOOR_MAJOR || (major == FLOOR_MAJOR && minor >= FLOOR_MINOR);
	k = check_add(c, "kernel", ok, true, "Linux %s", u.release);
	if (!ok)
		check_hint(k, "%d.%d is the oldest that is supported", FLOOR_MAJOR, FLOOR_MINOR);
}

/* A container's root may be one in name only. */
static const char *capability_lacking(void)
{
	static const struct {
		unsigned cap;
		const char *name;
	} needed[] = {{CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
		      {CAP_SETPCAP, "CAP_SETPCAP"},     {CAP_SETUID, "CAP_SETUID"},
		      {CAP_SETGID, "CAP_SETGID"},       {CAP_KILL, "CAP_KILL"}};

	if (capng_get_caps_process() < 0)
		return "its capabilities cannot be read";
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i].cap))
			return needed[i].name;
	return NULL;
}

static void root(struct checks *c)
{
	const char *lacking = geteuid() == 0 ? capability_lacking() : NULL;

	if (geteuid() != 0)
		check_hint(
		    check_add(c, "root", false, false,
			      "asked as an ordinary user: what follows is what you could do"),
		    "sudo agentctl doctor");
	else if (lacking)
		check_add(c, "root", false, true, "root without %s", lacking);
	else
		check_add(c, "root", true, true, "with the capabilities that are needed");
}

/* ---- cgroups --------------------------------------------------------------------------------- */

static bool mounted(const char *type, const char *option, char *ret, size_t bytes)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mounts", "re");
	char line[4096];

	while (f && fgets(line, sizeof(line), f)) {
		char path[1024], kind[64], options[1024], *word, *save;

		if (sscanf(line, "%*s %1023s %63s %1023s", path, kind, options) != 3 ||
		    strcmp(kind, type) != 0)
			continue;
		word = strtok_r(options, ",", &save);
		while (option && word && strcmp(word, option) != 0)
			word = strtok_r(NULL, ",", &save);
		if (!word)
			continue;
		snprintf(ret, bytes, "%s", path);
		return true;
	}
	return false;
}

static void cgroups(struct checks *c)
{
	static const char *const names[CGROUP_KINDS] = {"memory", "pids"};
	char v2[1024], v1[1024], path[1100];
	bool has = mounted("cgroup2", NULL, v2, sizeof(v2));
	struct check *k = check_add(c, "cgroup v2", has, true, "%s",
				    has ? v2 : "not mounted: fences are cgroups of version 2");

	if (!has)
		check_hint(k, "mount -t cgroup2 none /sys/fs/cgroup/unified");
	for (int i = 0; i < CGROUP_KINDS; i++) {
		_cleanup_fclose_ FILE *f = NULL;
		char word[64];
		bool in_v2 = false, in_v1 = mounted("cgroup", names[i], v1, sizeof(v1));

		snprintf(path, sizeof(path), "%s/cgroup.controllers", v2);
		f = has ? fopen(path, "re") : NULL;
		while (f && !in_v2 && fscanf(f, "%63s", word) == 1)
			in_v2 = strcmp(word, names[i]) == 0;
		k = check_add(c, i == CGROUP_MEMORY ? "memory limits" : "process limits",
			      in_v2 || in_v1, false,
			      in_v2 || in_v1 ? "the %s controller, version %d" : "no %s controller",
			      names[i], in_v2 ? 2 : 1);
		if (!in_v2 && !in_v1)
			check_hint(k,
				   "boot with cgroup_enable=%s; a profile that says limits: {%s} "
				   "needs it, or best_effort: true",
				   names[i], names[i]);
	}
}

/* ---- namespaces ------------------------------------------------------------------------------ */

/* Tried as a user who is not root. Some hosts allow the namespace but nothing in it. */
static bool user_namespaces(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
				       setresuid(NOBODY, NOBODY, NOBODY) < 0))
			_exit(1);
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
		      mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void namespaces(struct checks *c)
{
	bool ok = user_namespaces();
	struct check *k = check_add(
	    c, "user namespaces", ok, false,
	    ok ? "ordinary users can make them: agentctl tool works without root"
	       : "ordinary users cannot make them: agentctl tool needs root, or best_effort: true");

	if (!ok)
		check_hint(k, "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or "
			      "kernel.unprivileged_userns_clone=1, as the host has it");
}

/* ---- Landlock, seccomp ----------------------------------------------------------------------- */

static void landlock(struct checks *c)
{
	static const struct {
		int abi;
		const char *what;
	} parts[] = {{2, "renaming between directories (2)"},
		     {3, "cutting files short (3)"},
		     {5, "device ioctls (5)"},
		     {6, "abstract sockets and signals (6)"},
		     {LANDLOCK_ABI_WITH_LOG, "audit records (7)"}};
	int abi = landlock_abi();
	char without[250] = "";
	size_t n = 0;
	struct check *k;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (abi < parts[i].abi)
			n += (size_t)snprintf(without + n, sizeof(without) - n, "%s%s",
					      n ? ", " : "", parts[i].what);
	if (!abi) {
		k = check_add(c, "Landlock", false, false, "none: profiles cannot limit files");
		check_hint(k, "a kernel with CONFIG_SECURITY_LANDLOCK, and landlock in lsm=");
		return;
	}
	check_add(c, "Landlock", !n, false, n ? "ABI %d; not: %s" : "ABI %d", abi, without);
}

static void audit(struct checks *c)
{
	struct err e = {0};
	bool on = false, ok = audit_possible(&on, &e) == 0;
	struct check *k =
	    check_add(c, "audit records", ok, false,
		      ok && on ? "auditing is on: files whose reading is refused are seen"
		      : ok     ? "auditing is off: the first box turns it on"
			       : "files whose reading is refused are not seen: %s",
		      e.msg);

	if (!ok && geteuid() == 0 && landlock_abi() && landlock_abi() < LANDLOCK_ABI_WITH_LOG)
		check_hint(k, "Linux 6.15");
}

static void seccomp(struct checks *c)
{
	uint32_t deny = SECCOMP_RET_ERRNO, notify = SECCOMP_RET_USER_NOTIF;
	bool filter = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &deny) == 0;
	bool listener = filter && syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &notify) == 0;

	check_add(c, "seccomp", filter, true,
		  filter ? "system call filters" : "no system call filters: %s", strerror(errno));
	check_add(c, "seccomp listener", listener, false,
		  listener ? "refused programs and changes of files are seen"
			   : "refused programs and changes of files are not seen");
}

void doctor_kernel(struct checks *c)
{
	root(c);
	version(c);
	cgroups(c);
	seccomp(c);
	landlock(c);
	audit(c);
	namespaces(c);
}
