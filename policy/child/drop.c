// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/child/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy/base/cleanup.h"
#include "policy/base/sudo.h"
#include "policy/blob/blob.h"

#include "child_filter.h" /* child_filter, of filter_gen.c */

/* The largest policy that compiles takes less. */
#define MEMORY_MAX (2ull << 30)
#define AS_ANOTHER                                                                                 \
	"root parses no policy itself: run this as an ordinary user, or give it CAP_SETUID, "      \
	"CAP_SETGID and CAP_SETPCAP, and that user in its user namespace"
#ifdef AGENTFW_SANITIZE
#define FIRST_FREE 3 /* stderr, for what the sanitizer finds */
#else
#define FIRST_FREE 2
#endif

/* It may hold secrets, and what the text makes of the parser could tell them. */
static void environment(void)
{
	for (char **p = environ; p && *p; p++)
		explicit_bzero(*p, strlen(*p));
}

static int descriptors(int reply, int bytes, struct err *e)
{
	int up[2] = {fcntl(reply, F_DUPFD, FIRST_FREE), fcntl(bytes, F_DUPFD, FIRST_FREE)};

	if (up[0] < 0 || up[1] < 0 || dup2(up[0], CHILD_FD_REPLY) < 0 ||
	    dup2(up[1], CHILD_FD_BYTES) < 0 || close_range(FIRST_FREE, ~0u, 0) < 0)
		return err_set(e, errno, "cannot close its descriptors: %s", strerror(errno));
	return 0;
}

static int limits(struct err *e)
{
	static const struct {
		int what;
		rlim_t max;
	} all[] = {
	    {RLIMIT_CORE, 0},   {RLIMIT_FSIZE, BLOB_MAX}, {RLIMIT_NPROC, 0},
#ifndef AGENTFW_SANITIZE
	    {RLIMIT_NOFILE, 0}, {RLIMIT_AS, MEMORY_MAX},
#endif
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct rlimit l;

		/* What is lower already stays. */
		if (getrlimit((__rlimit_resource_t)all[i].what, &l) < 0)
			return err_set(e, errno, "cannot read its limits: %s", strerror(errno));
		l.rlim_max = l.rlim_max < all[i].max ? l.rlim_max : all[i].max;
		l.rlim_cur = l.rlim_cur < l.rlim_max ? l.rlim_cur : l.rlim_max;
		if (setrlimit((__rlimit_resource_t)all[i].what, &l) < 0)
			return err_set(e, errno, "cannot set its limits: %s", strerror(errno));
	}
	return 0;
}

/* Of root alone: others may not, and no_new_privs keeps them from what the set could give. */
static int bounding_set(struct err *e)
{
	int cap = 0;

	while (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
		cap++;
	if ((errno == EINVAL && cap) || (errno == EPERM && geteuid() != 0))
		return 0;
	err_set(e, errno, "cannot drop capability %d: %s", cap, strerror(errno));
	return err_hint(e, AS_ANOTHER);
}

static int identity(uid_t uid, gid_t gid, struct err *e)
{
	if ((geteuid() == 0 && setgroups(0, NULL) < 0) || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0) {
		err_set(e, errno, "cannot become user %u, group %u: %s", (unsigned)uid,
			(unsigned)gid, strerror(errno));
		return err_hint(e, AS_ANOTHER);
	}
	return 0;
}

static int capabilities(struct err *e)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	/* takes the ambient ones along */
	if (syscall(SYS_capset, &h, none) < 0)
		return err_set(e, errno, "cannot drop its capabilities: %s", strerror(errno));
	return 0;
}

/* After the change of uid, which resets the last two. */
static int process(pid_t parent, struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(e, errno, "cannot shut itself off: %s", strerror(errno));
	if (getppid() != parent) /* it died before that */
		return err_set(e, ESRCH, "who called it is gone");
	return 0;
}

static int system_calls(struct err *e)
{
	const struct sock_fprog filter = {ARRAY_SIZE(child_filter),
					  (struct sock_filter *)child_filter};

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		return err_set(e, errno, "cannot load its system call filter: %s", strerror(errno));
	return 0;
}

int child_drop(int reply, int bytes, pid_t parent, struct err *e)
{
	bool root = geteuid() == 0;
	uid_t uid = root ? sudo_id("SUDO_UID", NOBODY_ID) : geteuid();
	gid_t gid = root ? sudo_id("SUDO_GID", NOBODY_ID) : getegid();
	int r = descriptors(reply, bytes, e);

	environment();
	if (r < 0 || (r = limits(e)) < 0 || (r = bounding_set(e)) < 0 ||
	    (r = identity(uid, gid, e)) < 0 || (r = capabilities(e)) < 0 ||
	    (r = process(parent, e)) < 0)
		return r;
	return system_calls(e);
}
