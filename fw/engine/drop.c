// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/drop.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOBODY 65534

/* An empty directory that nobody can write to, in a mount namespace of our own. */
static int empty_root(struct err *e)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0555") <
		0 ||
	    mount(NULL, "/proc", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL) < 0 ||
	    chroot("/proc") < 0 || chdir("/") < 0) {
		err_set(e, errno, "engine: cannot shut itself in an empty root: %s",
			strerror(errno));
		return err_hint(e, "it needs CAP_SYS_ADMIN and CAP_SYS_CHROOT; in a container, "
				   "give it SYS_ADMIN");
	}
	return 0;
}

static int limits(struct err *e)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_FSIZE, &none) < 0 ||
	    setrlimit(RLIMIT_NPROC, &none) < 0)
		return err_set(e, errno, "engine: cannot set its limits: %s", strerror(errno));
	return 0;
}

/* Without CAP_SETPCAP libcap-ng cannot clear the bounding set: it fails, and so do we. */
static int unprivileged(struct err *e)
{
	int r;

	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN) < 0)
		return err_set(e, EPERM, "engine: cannot keep CAP_NET_ADMIN");
	r = capng_change_id(NOBODY, NOBODY, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	if (r < 0) {
		err_set(e, EPERM, "engine: cannot drop its privileges (step %d)", r);
		return err_hint(e, "it becomes user and group 65534: they must be mapped in this "
				   "user namespace, with CAP_SETUID, CAP_SETGID and CAP_SETPCAP");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, errno, "engine: cannot set no_new_privs: %s", strerror(errno));
	return 0;
}

/* The loop, the parsers and malloc need these. A sanitizer needs more. */
static const int allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(accept4),
    SCMP_SYS(shutdown),
    SCMP_SYS(close),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),
    SCMP_SYS(futex),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_yield),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(fcntl),
    SCMP_SYS(getsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
#ifdef AGENTFW_SANITIZE
    SCMP_SYS(sigaltstack),
    SCMP_SYS(mprotect),
    SCMP_SYS(openat),
    SCMP_SYS(readlink),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(prctl),
    SCMP_SYS(ioctl),
    SCMP_SYS(clone),
    SCMP_SYS(wait4),
    SCMP_SYS(getrusage),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(ptrace),
    SCMP_SYS(lseek),
#endif
};

static int system_calls(struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	/* libseccomp need not set no_new_privs: unprivileged() has, and checked it */
	int r = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	if (r < 0)
		return err_set(e, -r, "engine: cannot load its system call filter: %s",
			       strerror(-r));
	return 0;
}

int engine_drop(struct err *e)
{
	int r = empty_root(e);

	if (r < 0 || (r = limits(e)) < 0 || (r = unprivileged(e)) < 0)
		return r;
	/* After the change of uid, which resets both. If the parent has died before, its socket
	 * says so. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(e, errno,
			       "engine: cannot forbid tracing or set its death signal: %s",
			       strerror(errno));
	return system_calls(e);
}
