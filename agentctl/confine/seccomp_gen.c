// SPDX-License-Identifier: GPL-2.0-or-later
/* The system call filters, written to stdout when agentctl is built, for seccomp.c: as programs for
 * the kernel and as text for people. Making them takes longer than starting a command.
 *
 * The base filter refuses calls that no agent needs or that lead around a fence, and allows the
 * rest. Arguments are masked, so that bits which the kernel ignores cannot hide a value. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "agentctl/confine/seccomp.h"
#include "agentctl/confine/watch_calls.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#define NAMESPACES                                                                                 \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP)
#define IPV6_FREEBIND_ 78  /* linux/in6.h, which does not go with netinet/in.h; Linux 4.15 */
#define TYPE_MASK      0xf /* SOCK_TYPE_MASK: the rest of the argument are flags */
#define LOW_HALF       0xffffffffu /* the kernel reads an int */

static const struct {
	int nr, error;
	const char *why;
} refused[] = {
    {SCMP_SYS(io_uring_setup), ENOSYS, "its operations are seen by no filter"},
    {SCMP_SYS(io_uring_enter), ENOSYS, ""},
    {SCMP_SYS(io_uring_register), ENOSYS, ""},
    {SCMP_SYS(sendfile), EINVAL, "pages sent by reference can change after they were checked"},
    {SCMP_SYS(splice), EINVAL, ""},
    {SCMP_SYS(ptrace), EPERM, "no hands in other processes"},
    {SCMP_SYS(process_vm_readv), EPERM, ""},
    {SCMP_SYS(process_vm_writev), EPERM, ""},
    {SCMP_SYS(pidfd_getfd), EPERM, "no sockets from outside"},
    {SCMP_SYS(kcmp), EPERM, ""},
    {SCMP_SYS(bpf), EPERM, "no programs in the kernel"},
    {SCMP_SYS(perf_event_open), EPERM, ""},
    {SCMP_SYS(userfaultfd), EPERM, ""},
    {SCMP_SYS(add_key), EPERM, "no keyrings"},
    {SCMP_SYS(request_key), EPERM, ""},
    {SCMP_SYS(keyctl), EPERM, ""},
    {SCMP_SYS(mount), EPERM, "no mounts, no other root"},
    {SCMP_SYS(umount2), EPERM, ""},
    {SCMP_SYS(pivot_root), EPERM, ""},
    {SCMP_SYS(chroot), EPERM, ""},
    {SCMP_SYS(open_tree), EPERM, ""},
    {SCMP_SYS(move_mount), EPERM, ""},
    {SCMP_SYS(fsopen), EPERM, ""},
    {SCMP_SYS(fsconfig), EPERM, ""},
    {SCMP_SYS(fsmount), EPERM, ""},
    {SCMP_SYS(fspick), EPERM, ""},
    {SCMP_SYS(mount_setattr), EPERM, ""},
    {SCMP_SYS(setns), EPERM, "no other namespaces"},
    {SCMP_SYS(clone3), ENOSYS, "its flags cannot be read; libraries fall back to clone"},
    {SCMP_SYS(open_by_handle_at), EPERM, "no files around paths"},
    {SCMP_SYS(name_to_handle_at), EPERM, ""},
    {SCMP_SYS(kexec_load), EPERM, "the machine itself"},
    {SCMP_SYS(kexec_file_load), EPERM, ""},
    {SCMP_SYS(init_module), EPERM, ""},
    {SCMP_SYS(finit_module), EPERM, ""},
    {SCMP_SYS(delete_module), EPERM, ""},
    {SCMP_SYS(quotactl), EPERM, ""},
    {SCMP_SYS(swapon), EPERM, ""},
    {SCMP_SYS(swapoff), EPERM, ""},
    {SCMP_SYS(reboot), EPERM, ""},
    {SCMP_SYS(acct), EPERM, ""},
    {SCMP_SYS(syslog), EPERM, ""},
    {SCMP_SYS(settimeofday), EPERM, ""},
    {SCMP_SYS(clock_settime), EPERM, ""},
    {SCMP_SYS(vhangup), EPERM, ""},
};

static int gen_deny(scmp_filter_ctx ctx, int error, int nr, unsigned n,
		    const struct scmp_arg_cmp *cmp)
{
	return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint32_t)error), nr, n, cmp);
}

/* Families: unix, inet, inet6 and routing netlink. A family with its high half set is greater than
 * the greatest, and so refused. */
static int families(scmp_filter_ctx ctx, int nr)
{
	int r = 0;

	for (unsigned f = 0; r == 0 && f < AF_NETLINK; f++)
		if (f != AF_UNIX && f != AF_INET && f != AF_INET6)
			r = gen_deny(ctx, EAFNOSUPPORT, nr, 1, &SCMP_A0(SCMP_CMP_EQ, f));
	if (r == 0)
		r = gen_deny(ctx, EAFNOSUPPORT, nr, 1, &SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
	if (r == 0) {
		const struct scmp_arg_cmp other[] = {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
						     SCMP_A2(SCMP_CMP_NE, NETLINK_ROUTE)};

		r = gen_deny(ctx, EAFNOSUPPORT, nr, 2, other);
	}
	return r;
}

/* inet and inet6: streams of TCP; datagrams of UDP and ping. Nothing raw. */
static int inet(scmp_filter_ctx ctx, unsigned family)
{
	int r = 0;

	for (unsigned t = 0; r == 0 && t <= TYPE_MASK; t++) {
		const struct scmp_arg_cmp type[] = {SCMP_A0(SCMP_CMP_EQ, family),
						    SCMP_A1(SCMP_CMP_MASKED_EQ, TYPE_MASK, t)};

		if (t != SOCK_STREAM && t != SOCK_DGRAM)
			r = gen_deny(ctx, t == SOCK_RAW ? EPERM : ESOCKTNOSUPPORT, SCMP_SYS(socket),
				     2, type);
	}
	for (unsigned p = 1; r == 0 && p <= IPPROTO_ICMPV6; p++) {
		const struct scmp_arg_cmp proto[] = {SCMP_A0(SCMP_CMP_EQ, family),
						     SCMP_A2(SCMP_CMP_EQ, p)};

		if (p != IPPROTO_TCP && p != IPPROTO_UDP && p != IPPROTO_ICMP &&
		    p != IPPROTO_ICMPV6)
			r = gen_deny(ctx, EPROTONOSUPPORT, SCMP_SYS(socket), 2, proto);
	}
	if (r == 0) { /* SCTP, UDP-Lite, MPTCP …: programs fall back to what they know */
		const struct scmp_arg_cmp rest[] = {SCMP_A0(SCMP_CMP_EQ, family),
						    SCMP_A2(SCMP_CMP_GT, IPPROTO_ICMPV6)};

		r = gen_deny(ctx, EPROTONOSUPPORT, SCMP_SYS(socket), 2, rest);
	}
	return r;
}

/* Four kinds are refused. Multicast groups: the kernel tells the neighbours of each group that the
 * agent joins, so the group's address can carry data. A device: it decides by which way a
 * redirected packet leaves. The address of somebody else: answers go there. Zero copy: its pages
 * can change after they were checked. */
static int socket_options(scmp_filter_ctx ctx)
{
	static const struct {
		unsigned level, name;
		int error;
	} all[] = {
	    {SOL_SOCKET, SO_ZEROCOPY, EOPNOTSUPP}, /* then MSG_ZEROCOPY is an ordinary send */
	    {IPPROTO_IP, IP_FREEBIND, EPERM},        {IPPROTO_IPV6, IPV6_FREEBIND_, EPERM},
	    {SOL_SOCKET, SO_BINDTODEVICE, EPERM},    {SOL_SOCKET, SO_BINDTOIFINDEX, EPERM},
	    {IPPROTO_IP, IP_ADD_MEMBERSHIP, EPERM},  {IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, EPERM},
	    {IPPROTO_IP, MCAST_JOIN_GROUP, EPERM},   {IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, EPERM},
	    {IPPROTO_IPV6, IPV6_JOIN_GROUP, EPERM},  {IPPROTO_IPV6, IPV6_JOIN_ANYCAST, EPERM},
	    {IPPROTO_IPV6, MCAST_JOIN_GROUP, EPERM}, {IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, EPERM},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(all) / sizeof(all[0]); i++) {
		const struct scmp_arg_cmp cmp[] = {
		    SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, all[i].level),
		    SCMP_A2(SCMP_CMP_MASKED_EQ, LOW_HALF, all[i].name)};

		r = gen_deny(ctx, all[i].error, SCMP_SYS(setsockopt), 2, cmp);
	}
	return r;
}

static int arguments(scmp_filter_ctx ctx)
{
	static const unsigned long ioctls[] = {TIOCSTI, TIOCLINUX};
	unsigned long bit;
	int r = 0;

	for (bit = 1; r == 0 && bit && bit <= LOW_HALF; bit <<= 1)
		if (NAMESPACES & bit) {
			r = gen_deny(ctx, EPERM, SCMP_SYS(clone), 1,
				     &SCMP_A0(SCMP_CMP_MASKED_EQ, bit, bit));
			if (r == 0)
				r = gen_deny(ctx, EPERM, SCMP_SYS(unshare), 1,
					     &SCMP_A0(SCMP_CMP_MASKED_EQ, bit, bit));
		}
	/* CLONE_NEWTIME is a bit of the exit signal for clone, but a namespace for unshare. */
	if (r == 0)
		r = gen_deny(ctx, EPERM, SCMP_SYS(unshare), 1,
			     &SCMP_A0(SCMP_CMP_MASKED_EQ, 0x80, 0x80));
	for (size_t i = 0; r == 0 && i < 2; i++)
		r = gen_deny(ctx, EPERM, SCMP_SYS(ioctl), 1,
			     &SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, ioctls[i]));
	if (r == 0)
		r = gen_deny(ctx, EACCES, SCMP_SYS(execveat), 1,
			     &SCMP_A4(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	return r;
}

/* The limit of 1 that keeps cores from the host's handler stays: setting another one does nothing
 * and succeeds. */
static int core_limit(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp set[] = {SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, RLIMIT_CORE),
					   SCMP_A2(SCMP_CMP_NE, 0)};
	int r = gen_deny(ctx, 0, SCMP_SYS(setrlimit), 1,
			 &SCMP_A0(SCMP_CMP_MASKED_EQ, LOW_HALF, RLIMIT_CORE));

	return r < 0 ? r : gen_deny(ctx, 0, SCMP_SYS(prlimit64), 2, set);
}

/* Calls that only a box forbids. socketpair(2) stays: it leads nowhere. */
static int stricter(scmp_filter_ctx ctx, uint64_t bits)
{
	int r = 0;

	if (bits & SECCOMP_NO_MEMFD)
		r = gen_deny(ctx, ENOSYS, SCMP_SYS(memfd_create), 0, NULL);
	if (r == 0 && (bits & SECCOMP_NO_UNIX))
		r = gen_deny(ctx, EAFNOSUPPORT, SCMP_SYS(socket), 1,
			     &SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	if (r == 0 && (bits & SECCOMP_NO_NETWORK))
		r = gen_deny(ctx, EAFNOSUPPORT, SCMP_SYS(socket), 1,
			     &SCMP_A0(SCMP_CMP_NE, AF_UNIX));
	return r;
}

static int make(uint64_t bits, scmp_filter_ctx *ret)
{
	scmp_filter_ctx ctx = *ret = seccomp_init(SCMP_ACT_ALLOW);
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < sizeof(refused) / sizeof(refused[0]); i++)
		r = gen_deny(ctx, refused[i].error, refused[i].nr, 0, NULL);
	if (r == 0 && (r = families(ctx, SCMP_SYS(socket))) == 0 &&
	    (r = families(ctx, SCMP_SYS(socketpair))) == 0 && (r = inet(ctx, AF_INET)) == 0 &&
	    (r = inet(ctx, AF_INET6)) == 0 && (r = arguments(ctx)) == 0 &&
	    (r = socket_options(ctx)) == 0 && (r = core_limit(ctx)) == 0 &&
	    (r = stricter(ctx, bits)) == 0)
		/* a tree instead of a list: most calls are in none of the rules */
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return r;
}

/* The listener is told of an open only if it may change something, unless all is watched. */
static int watch_call(scmp_filter_ctx ctx, const struct watched_call *c, bool all)
{
	static const unsigned changing[] = {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC};
	int r = 0;

	if (c->kind == CALL_CONNECT && !all)
		return 0;
	if (c->kind != CALL_OPEN || all)
		return seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, c->nr, 0);
	for (size_t i = 0; r == 0 && i < sizeof(changing) / sizeof(changing[0]); i++)
		r = seccomp_rule_add(
		    ctx, SCMP_ACT_NOTIFY, c->nr, 1,
		    SCMP_CMP((unsigned)c->extra, SCMP_CMP_MASKED_EQ, changing[i], changing[i]));
	return r;
}

static int make_watch(uint64_t all, scmp_filter_ctx *ret)
{
	scmp_filter_ctx ctx = *ret = seccomp_init(SCMP_ACT_ALLOW);
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < sizeof(watched_calls) / sizeof(watched_calls[0]); i++) {
		r = watch_call(ctx, &watched_calls[i], all);
		r = r == -EEXIST ? 0 : r; /* a call with two paths */
	}
	return r == 0 ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) : r;
}

static int print_program(const char *name, uint64_t bits,
			 int (*fn)(uint64_t bits, scmp_filter_ctx *ret))
{
	scmp_filter_ctx ctx;
	FILE *f = tmpfile();
	struct sock_filter i;
	int r = fn(bits, &ctx);

	if (r < 0 || !f || (r = seccomp_export_bpf(ctx, fileno(f))) < 0)
		return r < 0 ? r : -errno;
	seccomp_release(ctx);
	rewind(f);
	printf("static const struct sock_filter %s_%u[] = {\n", name, (unsigned)bits);
	while (fread(&i, sizeof(i), 1, f) == 1)
		printf("{0x%x, %u, %u, 0x%x},\n", i.code, i.jt, i.jf, i.k);
	puts("};");
	fclose(f);
	return 0;
}

static void print_list(const char *list, const char *name, unsigned n)
{
	printf("static const struct sock_fprog %s[] = {\n", list);
	for (unsigned i = 0; i < n; i++)
		printf("{sizeof(%s_%u) / sizeof(%s_%u[0]), (struct sock_filter *)%s_%u},\n", name,
		       i, name, i, name, i);
	puts("};");
}

static void print_text(void)
{
	puts("static const char text[] =");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, refused[i].nr);

		if (refused[i].why[0])
			printf("\"    %-20s %s\\n\"\n", name ? name : "?", refused[i].why);
		else
			printf("\"    %s\\n\"\n", name ? name : "?");
		free(name);
	}
	puts(";");
}

int main(void)
{
	int r = 0;

	for (unsigned bits = 0; r == 0 && bits < SECCOMP_FILTERS; bits++)
		r = print_program("program", bits, make);
	for (unsigned all = 0; r == 0 && all < 2; all++)
		r = print_program("watch", all, make_watch);
	if (r < 0) {
		fprintf(stderr, "the system call filter cannot be made: %s\n", strerror(-r));
		return 1;
	}
	print_list("programs", "program", SECCOMP_FILTERS);
	print_list("watch_programs", "watch", 2);
	print_text();
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
