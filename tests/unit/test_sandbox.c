// SPDX-License-Identifier: GPL-2.0-or-later
/* The system call filter, the dropped capabilities and the scopes, from inside: what they refuse
 * works without them, and what programs need works with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentctl/confine/caps.h"
#include "agentctl/confine/landlock.h"
#include "agentctl/confine/seccomp.h"
#include "policy/base/err.h"

#define HIGH      (1ull << 32)
#define MPTCP     262
#define UDPLITE   136
#define ZEROCOPY  60
#define EXEC_FAIL 99

static long sock(long family, long type, long protocol)
{
	return syscall(SYS_socket, family, type, protocol);
}

/* ---- what is refused: 0 or -1 and errno, as from the call itself --------- */

static long raw4(void)
{
	return sock(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}
static long raw6(void)
{
	return sock(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
}
static long packet(void)
{
	return sock(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
}
static long packet_high_bits(void)
{
	return sock((long)(AF_PACKET | HIGH), SOCK_RAW, htons(ETH_P_ALL));
}
static long raw_high_bits(void)
{
	return sock(AF_INET, (long)(SOCK_RAW | HIGH), IPPROTO_ICMP);
}
static long raw_by_family_high_bits(void)
{
	return sock((long)(AF_INET | HIGH), SOCK_RAW, IPPROTO_ICMP);
}
static long nfnetlink(void)
{
	return sock(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
}
static long generic_netlink(void)
{
	return sock(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
}
static long alg(void)
{
	return sock(AF_ALG, SOCK_SEQPACKET, 0);
}
static long vsock(void)
{
	return sock(AF_VSOCK, SOCK_STREAM, 0);
}
static long xdp(void)
{
	return sock(AF_XDP, SOCK_RAW, 0);
}
static long mptcp(void)
{
	return sock(AF_INET, SOCK_STREAM, MPTCP);
}
static long udplite(void)
{
	return sock(AF_INET6, SOCK_DGRAM, UDPLITE);
}
static long uring(void)
{
	char params[256] = {0};

	return syscall(SYS_io_uring_setup, 4, params);
}
static long userns(void)
{
	return unshare(CLONE_NEWUSER);
}
static long netns_by_clone(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}
static long timens(void)
{
	return unshare(0x80); /* CLONE_NEWTIME */
}
static long new_clone(void)
{
	uint64_t args[11] = {0};
	long pid;

	args[4] = SIGCHLD;
	pid = syscall(SYS_clone3, args, sizeof(args));
	if (pid == 0)
		_exit(0);
	return pid;
}
static long trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, 0, 0);
}
static long read_memory(void)
{
	char a, b;
	struct iovec to = {&a, 1}, from = {&b, 1};

	return syscall(SYS_process_vm_readv, getpid(), &to, 1, &from, 1, 0);
}
static long keyring(void)
{
	return syscall(SYS_keyctl, 0, -4, 0, 0, 0); /* KEYCTL_GET_KEYRING_ID of the session's */
}
static long program(void)
{
	char attr[128] = {1, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1};

	return syscall(SYS_bpf, 0, attr, 72); /* BPF_MAP_CREATE of a hash */
}
static long mounting(void)
{
	return mount("none", "/nowhere-at-all", "tmpfs", 0, NULL);
}
static long other_root(void)
{
	return chroot("/");
}
static long by_handle(void)
{
	char handle[64] = {0};
	int mount_id;

	handle[0] = 32;
	return syscall(SYS_name_to_handle_at, AT_FDCWD, "/", handle, &mount_id, 0);
}
static long push_input(void)
{
	char c = 'x';

	return ioctl(0, TIOCSTI, &c);
}
static long push_input_high_bits(void)
{
	char c = 'x';

	return syscall(SYS_ioctl, 0, HIGH | TIOCSTI, &c);
}
static long unnamed_program(void)
{
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC), status;
	char *argv[] = {(char *)"true", NULL}, *envp[] = {NULL};
	pid_t pid = fork();

	if (pid == 0) {
		syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
		_exit(EXEC_FAIL);
	}
	if (waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 0)
		return 0;
	errno = EACCES;
	return -1;
}
static long zerocopy(void)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	return setsockopt(fd, SOL_SOCKET, ZEROCOPY, &on, sizeof(on));
}
static long zerocopy_high_bits(void)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	return syscall(SYS_setsockopt, fd, HIGH | SOL_SOCKET, HIGH | ZEROCOPY, &on, sizeof(on));
}
static long by_device(void)
{
	return setsockopt(socket(AF_INET, SOCK_DGRAM, 0), SOL_SOCKET, SO_BINDTODEVICE, "lo", 2);
}
static long join_group4(void)
{
	const struct ip_mreqn m = {.imr_multiaddr.s_addr = htonl(0xefffffff), .imr_ifindex = 1};

	return setsockopt(socket(AF_INET, SOCK_DGRAM, 0), IPPROTO_IP, IP_ADD_MEMBERSHIP, &m,
			  sizeof(m));
}
static long join_group6(void)
{
	const struct ipv6_mreq m = {.ipv6mr_multiaddr.s6_addr = {0xff, 0x15, [15] = 9},
				    .ipv6mr_interface = 1};

	return setsockopt(socket(AF_INET6, SOCK_DGRAM, 0), IPPROTO_IPV6, IPV6_JOIN_GROUP, &m,
			  sizeof(m));
}
static long join_source(void)
{
	struct group_source_req m = {.gsr_interface = 1};

	*(struct sockaddr_in *)&m.gsr_group =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xe8010101)};
	*(struct sockaddr_in *)&m.gsr_source =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x01020304)};
	return setsockopt(socket(AF_INET, SOCK_DGRAM, 0), IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &m,
			  sizeof(m));
}
static long by_sendfile(void)
{
	int fd[2], file = open("/bin/true", O_RDONLY | O_CLOEXEC);

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return 0;
	return sendfile(fd[0], file, NULL, 10);
}
static long by_splice(void)
{
	int fd[2], file = open("/bin/true", O_RDONLY | O_CLOEXEC);

	if (pipe(fd) < 0)
		return 0;
	return splice(file, NULL, fd[1], NULL, 10, 0);
}

static const struct {
	const char *name;
	long (*fn)(void);
	int error;
	bool not_everywhere; /* the kernel may lack it, or its sysctl or the terminal may refuse it
			      */
} refused[] = {
    {"raw IPv4", raw4, EPERM, false},
    {"raw IPv6", raw6, EPROTONOSUPPORT, false},
    {"raw with high bits", raw_high_bits, EPERM, false},
    {"raw by a family with high bits", raw_by_family_high_bits, EAFNOSUPPORT, false},
    {"packet", packet, EAFNOSUPPORT, false},
    {"packet with high bits", packet_high_bits, EAFNOSUPPORT, false},
    {"nfnetlink", nfnetlink, EAFNOSUPPORT, false},
    {"generic netlink", generic_netlink, EAFNOSUPPORT, false},
    {"AF_ALG", alg, EAFNOSUPPORT, true},
    {"AF_VSOCK", vsock, EAFNOSUPPORT, true},
    {"AF_XDP", xdp, EAFNOSUPPORT, true},
    {"MPTCP", mptcp, EPROTONOSUPPORT, true},
    {"UDP-Lite", udplite, EPROTONOSUPPORT, true},
    {"io_uring", uring, ENOSYS, true},
    {"user namespace", userns, EPERM, true},
    {"network namespace by clone", netns_by_clone, EPERM, false},
    {"time namespace", timens, EPERM, true},
    {"clone3", new_clone, ENOSYS, false},
    {"ptrace", trace, EPERM, false},
    {"process_vm_readv", read_memory, EPERM, false},
    {"keyctl", keyring, EPERM, true},
    {"bpf", program, EPERM, true},
    {"mount", mounting, EPERM, false},
    {"chroot", other_root, EPERM, false},
    {"name_to_handle_at", by_handle, EPERM, false},
    {"TIOCSTI", push_input, EPERM, true},
    {"TIOCSTI with high bits", push_input_high_bits, EPERM, true},
    {"execveat of a descriptor", unnamed_program, EACCES, false},
    {"SO_ZEROCOPY", zerocopy, EOPNOTSUPP, false},
    {"SO_ZEROCOPY with high bits", zerocopy_high_bits, EOPNOTSUPP, false},
    {"SO_BINDTODEVICE", by_device, EPERM, true},
    {"a group of IPv4", join_group4, EPERM, true},
    {"a group of IPv6", join_group6, EPERM, true},
    {"a group and a source", join_source, EPERM, true},
    {"sendfile", by_sendfile, EINVAL, false},
    {"splice", by_splice, EINVAL, false},
};

/* ---- what programs need -------------------------------------------------- */

static void *thread(void *arg)
{
	return arg;
}
static long threads(void)
{
	pthread_t t;
	int r = pthread_create(&t, NULL, thread, NULL);

	if (r == 0)
		pthread_join(t, NULL);
	errno = r;
	return r ? -1 : 0;
}
static long children(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}
static long tcp(void)
{
	return sock(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}
static long tcp6(void)
{
	return sock(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
}
static long udp(void)
{
	return sock(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
}
static long local(void)
{
	int fd[2];

	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd);
}
static long routes(void)
{
	return sock(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}
static long unnamed_file(void)
{
	int fd = memfd_create("x", MFD_CLOEXEC);

	return fd < 0 ? -1 : ftruncate(fd, 4096);
}
static long socket_option(void)
{
	int on = 1;

	return setsockopt((int)sock(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_KEEPALIVE, &on,
			  sizeof(on));
}

static const struct {
	const char *name;
	long (*fn)(void);
} allowed[] = {
    {"threads", threads},
    {"children", children},
    {"TCP", tcp},
    {"TCP over IPv6", tcp6},
    {"UDP", udp},
    {"unix sockets", local},
    {"routes", routes},
    {"memfd", unnamed_file},
    {"options of sockets", socket_option},
};

/* ---- in a child ---------------------------------------------------------- */

/* 0, or the errno that fn left in a process of its own, with the filter or without. */
static int in_child(long (*fn)(void), bool filtered)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct err e;

		if (filtered &&
		    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_base(0, &e) < 0))
			_exit(255);
		errno = 0;
		_exit(fn() < 0 ? errno : 0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 255)
		fail_msg("the child ended with %d", status);
	return WEXITSTATUS(status);
}

static void the_filter_refuses(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int bare = in_child(refused[i].fn, false), inside = in_child(refused[i].fn, true);

		if (inside != refused[i].error)
			fail_msg("%s: %s inside", refused[i].name, strerror(inside));
		if (bare == refused[i].error && !refused[i].not_everywhere)
			fail_msg("%s: refused without the filter, too", refused[i].name);
	}
}

static void the_filter_lets_through(void **state)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		int inside = in_child(allowed[i].fn, true);

		if (inside)
			fail_msg("%s: %s", allowed[i].name, strerror(inside));
	}
}

static long no_capability_is_left(void)
{
	struct err e;
	char line[256];
	FILE *f;

	if (caps_drop_bounding(&e) < 0 || caps_drop(&e) < 0)
		return -1;
	f = fopen("/proc/self/status", "re");
	errno = EPERM;
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "Cap", 3) == 0 && strspn(line + 7, "\t 0\n") != strlen(line + 7))
			return -1;
	return f ? 0 : -1;
}

static void capabilities_go(void **state)
{
	if (geteuid() != 0) {
		assert_null(getenv("MUST_RUN"));
		skip();
	}
	assert_int_equal(in_child(no_capability_is_left, false), 0);
}

static struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0agentfw-test-scope"};
static pid_t outsider;

static long connect_abstract(void)
{
	return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&abstract,
		       sizeof(abstract));
}
static long signal_outsider(void)
{
	return kill(outsider, 0);
}
static long scoped(long (*fn)(void))
{
	struct err e;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_scope(&e) < 0)
		return 0;
	return fn();
}
static long scoped_connect(void)
{
	return scoped(connect_abstract);
}
static long scoped_signal(void)
{
	return scoped(signal_outsider);
}

static void nobody_outside_is_reached(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!landlock_can_scope()) {
		assert_null(getenv("MUST_RUN"));
		skip();
	}
	outsider = getpid();
	assert_int_equal(bind(fd, (struct sockaddr *)&abstract, sizeof(abstract)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(in_child(connect_abstract, false), 0);
	assert_int_equal(in_child(signal_outsider, false), 0);
	assert_int_equal(in_child(scoped_connect, false), EPERM);
	assert_int_equal(in_child(scoped_signal, false), EPERM);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_filter_refuses),
	    cmocka_unit_test(the_filter_lets_through),
	    cmocka_unit_test(capabilities_go),
	    cmocka_unit_test(nobody_outside_is_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
