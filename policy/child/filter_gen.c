// SPDX-License-Identifier: GPL-2.0-or-later
/* The child's system call filter, written to stdout when agentfw is built, for drop.c: making it at
 * every start of a tool would take too long, and agentctl would need libseccomp.
 *
 * A parser of text in memory needs memory that is not executable, its two descriptors, and an end.
 * A process that calls anything else is not the parser any more and is killed. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/filter.h>

#include "policy/child/drop.h"

static int always(scmp_filter_ctx ctx)
{
	static const int calls[] = {
	    SCMP_SYS(munmap),       SCMP_SYS(mremap),         SCMP_SYS(madvise),
	    SCMP_SYS(brk),          SCMP_SYS(getrandom), /* malloc, for its own checks */
	    SCMP_SYS(sysinfo),                           /* qsort: how much memory there is */
	    SCMP_SYS(exit),         SCMP_SYS(exit_group),
#ifdef AGENTFW_SANITIZE /* what a sanitizer says goes to stderr */
	    SCMP_SYS(write),        SCMP_SYS(mmap),           SCMP_SYS(mprotect),
	    SCMP_SYS(futex),        SCMP_SYS(openat),         SCMP_SYS(read),
	    SCMP_SYS(readlink),     SCMP_SYS(close),          SCMP_SYS(fcntl),
	    SCMP_SYS(fstat),        SCMP_SYS(newfstatat),     SCMP_SYS(getpid),
	    SCMP_SYS(gettid),       SCMP_SYS(prctl),          SCMP_SYS(sigaltstack),
	    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(sched_getaffinity),
	    SCMP_SYS(sched_yield),  SCMP_SYS(clock_gettime),  SCMP_SYS(getrusage),
#endif
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

#ifdef AGENTFW_SANITIZE
static int with_arguments(scmp_filter_ctx ctx)
{
	return 0;
}
#else
static int with_arguments(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
				     SCMP_A0(SCMP_CMP_EQ, CHILD_FD_REPLY));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
				     SCMP_A0(SCMP_CMP_EQ, CHILD_FD_BYTES));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 2,
				     SCMP_A0(SCMP_CMP_EQ, CHILD_FD_BYTES),
				     SCMP_A1(SCMP_CMP_EQ, F_ADD_SEALS));
	return r;
}
#endif

static int print(scmp_filter_ctx ctx)
{
	FILE *f = tmpfile();
	struct sock_filter i;
	int r = f ? seccomp_export_bpf(ctx, fileno(f)) : -errno;

	if (r < 0)
		return r;
	rewind(f);
	puts("static const struct sock_filter child_filter[] = {");
	while (fread(&i, sizeof(i), 1, f) == 1)
		printf("{0x%x, %u, %u, 0x%x},\n", i.code, i.jt, i.jf, i.k);
	puts("};");
	fclose(f);
	return 0;
}

int main(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = ctx ? 0 : -ENOMEM;

	if (r < 0 || (r = always(ctx)) < 0 || (r = with_arguments(ctx)) < 0 || (r = print(ctx)) < 0)
		fprintf(stderr, "the child's system call filter cannot be made: %s\n",
			strerror(-r));
	seccomp_release(ctx);
	return r < 0 || ferror(stdout) || fflush(stdout) ? 1 : 0;
}
