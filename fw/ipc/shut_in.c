// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/ipc/shut_in.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* An empty directory that nobody can write to, in a mount namespace of our own. */
static int empty_root(const struct shut_in *s, struct err *e)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0555") <
		0 ||
	    mount(NULL, "/proc", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL) < 0 ||
	    chroot("/proc") < 0 || chdir("/") < 0) {
		err_set(e, errno, "%s: cannot shut itself in an empty root: %s", s->who,
			strerror(errno));
		return err_hint(e, "it needs CAP_SYS_ADMIN and CAP_SYS_CHROOT; in a container, "
				   "give it SYS_ADMIN");
	}
	return 0;
}

static int shut_in_limits(const struct shut_in *s, struct err *e)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_FSIZE, &none) < 0 ||
	    setrlimit(RLIMIT_NPROC, &none) < 0)
		return err_set(e, errno, "%s: cannot set its limits: %s", s->who, strerror(errno));
	return 0;
}

/* libcap-ng would also keep bounding-set rights that CAP_SETPCAP is missing for; its error says so.
 */
static int unprivileged(const struct shut_in *s, struct err *e)
{
	int r;

	capng_clear(CAPNG_SELECT_BOTH);
	if (s->net_admin &&
	    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN) < 0)
		return err_set(e, EPERM, "%s: CAP_NET_ADMIN is not to be had", s->who);
	r = capng_change_id((int)s->uid, (int)s->uid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	if (r < 0) {
		err_set(e, EPERM, "%s: cannot drop its privileges (step %d)", s->who, r);
		return err_hint(e,
				"it becomes user and group %u: they must be mapped in this user "
				"namespace, with CAP_SETUID, CAP_SETGID and CAP_SETPCAP",
				s->uid);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, errno, "%s: no_new_privs: %s", s->who, strerror(errno));
	return 0;
}

/* What every one of them needs to live, to have memory and to end. A sanitizer needs more. */
static const int usual[] = {
    SCMP_SYS(close),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(write),
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

static int allow(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

static int system_calls(const struct shut_in *s, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	/* no_new_privs is set above, and seen to be: not a second time in there */
	int r = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0) : -ENOMEM;

	if (r == 0 && (r = allow(ctx, usual, sizeof(usual) / sizeof(usual[0]))) == 0 &&
	    (r = allow(ctx, s->calls, s->n_calls)) == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	if (r < 0)
		return err_set(e, -r, "%s: cannot load its system call filter: %s", s->who,
			       strerror(-r));
	return 0;
}

int shut_in(const struct shut_in *s, struct err *e)
{
	int r = empty_root(s, e);

	if (r < 0 || (r = shut_in_limits(s, e)) < 0 || (r = unprivileged(s, e)) < 0)
		return r;
	/* After the change of uid, which resets both. A parent that died before is seen at the
	 * socket to it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(e, errno, "%s: cannot shut itself off: %s", s->who, strerror(errno));
	return system_calls(s, e);
}
