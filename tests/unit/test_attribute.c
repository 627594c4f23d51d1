// SPDX-License-Identifier: GPL-2.0-or-later
/* Real sockets of this process and of a child: found by their own end, in the right cgroup, held by
 * the right process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fw/ipc/sockdiag.h"
#include "fw/parent/attribute.h"
#include "policy/base/cleanup.h"

static const struct addr lo4 = {4, {127, 0, 0, 1}};
static const struct addr lo6 = {6, {[15] = 1}};
static int diag = -1;

static int setup(void **state)
{
	diag = sockdiag_open();
	return diag < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	close(diag);
	return 0;
}

/* ret_port: in, the wanted port (0: any); out, the port that the socket has. */
static int bound(int family, int type, const struct addr *a, uint16_t *ret_port)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, *ret_port, &ss);
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	*ret_port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static uint32_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint32_t)st.st_ino;
}

static int connected(int family, int type, const struct sockaddr *sa, socklen_t len,
		     uint16_t *ret_sport)
{
	struct sockaddr_storage ss;
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, sa, len), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	*ret_sport = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	return fd;
}

static void check_tcp(const struct addr *a)
{
	struct sockaddr_storage ss;
	struct socket_info si = {0};
	uint16_t port = 0, sport = 0;
	int family = a->family == 4 ? AF_INET : AF_INET6;
	struct scope own = {.kind = SCOPE_CGROUP};
	_cleanup_close_ int l = bound(family, SOCK_STREAM, a, &port);
	socklen_t len = addr_to_sockaddr(a, port, &ss);
	_cleanup_close_ int c = connected(family, SOCK_STREAM, (struct sockaddr *)&ss, len, &sport);

	assert_true(l >= 0);
	assert_int_equal(sockdiag_find(diag, IPPROTO_TCP, a, sport, a, port, NULL, &si), 0);
	assert_int_equal(si.inode, inode_of(c));
	assert_int_equal(si.uid, getuid());
	assert_true(si.cgroup_id != 0);
	own.cgroup_id = si.cgroup_id;
	/* the cgroup narrows it, and still tells of a stranger */
	assert_int_equal(sockdiag_find(diag, IPPROTO_TCP, a, sport, a, port, &own, &si), 0);
	assert_int_equal(si.inode, inode_of(c));
	/* another destination than the socket's: by its own end */
	assert_int_equal(sockdiag_find(diag, IPPROTO_TCP, a, sport, a, 9, NULL, &si), 0);
	assert_int_equal(si.inode, inode_of(c));
	assert_int_equal(sockdiag_find(diag, IPPROTO_TCP, a, 1, a, port, NULL, &si), -ENOENT);
}

static void test_tcp(void **state)
{
	check_tcp(&lo4);
	check_tcp(&lo6);
}

static void test_tcp_mapped(void **state)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6};
	struct socket_info si = {0};
	uint16_t port = 0, sport = 0;
	_cleanup_close_ int l = bound(AF_INET, SOCK_STREAM, &lo4, &port);
	_cleanup_close_ int c = -1;

	assert_true(l >= 0);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr), 1);
	to.sin6_port = htons(port);
	c = connected(AF_INET6, SOCK_STREAM, (struct sockaddr *)&to, sizeof(to), &sport);
	assert_int_equal(sockdiag_find(diag, IPPROTO_TCP, &lo4, sport, &lo4, port, NULL, &si), 0);
	assert_int_equal(si.inode, inode_of(c));
	assert_int_equal(sockdiag_find(diag, IPPROTO_TCP, &lo4, sport, &lo4, 9, NULL, &si), 0);
	assert_int_equal(si.inode, inode_of(c));
}

static void test_syn_sent(void **state)
{
	/* a backlog of nothing, filled: the third connection stays in SYN_SENT */
	struct sockaddr_storage ss;
	struct socket_info si = {0};
	uint16_t port = 0, unused, sport;
	_cleanup_close_ int l = bound(AF_INET, SOCK_STREAM, &lo4, &port);
	_cleanup_close_ int a = -1, c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t len = addr_to_sockaddr(&lo4, port, &ss);

	assert_int_equal(listen(l, 0), 0);
	a = connected(AF_INET, SOCK_STREAM, (struct sockaddr *)&ss, len, &unused);
	assert_int_equal(connect(c, (struct sockaddr *)&ss, len), -1);
	assert_int_equal(errno, EINPROGRESS);
	len = sizeof(ss);
	assert_int_equal(getsockname(c, (struct sockaddr *)&ss, &len), 0);
	sport = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	assert_int_equal(sockdiag_find(diag, IPPROTO_TCP, &lo4, sport, &lo4, port, NULL, &si), 0);
	assert_int_equal(si.inode, inode_of(c));
}

static void test_udp(void **state)
{
	struct socket_info si = {0};
	struct sockaddr_storage ss;
	struct addr far = {4, {127, 9, 9, 9}}, any4 = {.family = 4}, any6 = {.family = 6};
	uint16_t bound_port = 0, port, any_port = 0, any6_port = 0;
	_cleanup_close_ int b = bound(AF_INET, SOCK_DGRAM, &lo4, &bound_port);
	_cleanup_close_ int w = bound(AF_INET, SOCK_DGRAM, &any4, &any_port);
	_cleanup_close_ int w6 = bound(AF_INET6, SOCK_DGRAM, &any6, &any6_port);
	socklen_t len = addr_to_sockaddr(&lo4, 53, &ss);
	_cleanup_close_ int c = connected(AF_INET, SOCK_DGRAM, (struct sockaddr *)&ss, len, &port);

	assert_int_equal(sockdiag_find(diag, IPPROTO_UDP, &lo4, bound_port, &far, 9, NULL, &si), 0);
	assert_int_equal(si.inode, inode_of(b));
	assert_int_equal(sockdiag_find(diag, IPPROTO_UDP, &lo4, any_port, &far, 9, NULL, &si), 0);
	assert_int_equal(si.inode, inode_of(w));
	/* dual stack */
	assert_int_equal(sockdiag_find(diag, IPPROTO_UDP, &lo4, any6_port, &far, 9, NULL, &si), 0);
	assert_int_equal(si.inode, inode_of(w6));
	/* a DNS client, connected to its server; the packet was redirected */
	assert_int_equal(sockdiag_find(diag, IPPROTO_UDP, &lo4, port, &far, 4242, NULL, &si), 0);
	assert_int_equal(si.inode, inode_of(c));
	assert_int_equal(sockdiag_find(diag, IPPROTO_UDP, &lo4, 1, &far, 9, NULL, &si), -ENOENT);
	assert_int_equal(sockdiag_find(diag, IPPROTO_ICMP, &lo4, 1, &far, 9, NULL, &si), -ENOENT);
}

/* ---- processes ----------------------------------------------------------- */

/* A stand-in for a cgroup directory: a file with pids, a sub-directory with more. */
static int fake_cgroup(char *dir, const char *pids, const char *sub_pids)
{
	static const char *const at[] = {"cgroup.procs", "sub/cgroup.procs"};
	const char *text[] = {pids, sub_pids};
	int fd;

	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0 && mkdirat(fd, "sub", 0700) == 0);
	for (int i = 0; i < 2; i++) {
		_cleanup_close_ int f = openat(fd, at[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		assert_int_equal(write(f, text[i], strlen(text[i])), strlen(text[i]));
	}
	return fd;
}

static void fake_remove(const char *dir, int fd)
{
	unlinkat(fd, "cgroup.procs", 0);
	unlinkat(fd, "sub/cgroup.procs", 0);
	unlinkat(fd, "sub", AT_REMOVEDIR);
	rmdir(dir);
	close(fd);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid;
}

static void test_process(void **state)
{
	static struct process_info who;
	char dir[] = "/tmp/agentfw-test-XXXXXX", me[32], other[32], self[4096] = {0};
	pid_t child = sleeper();
	uint16_t port = 0;
	_cleanup_close_ int s = bound(AF_INET, SOCK_DGRAM, &lo4, &port);
	int fd;

	snprintf(me, sizeof(me), "%d\n", (int)getpid());
	snprintf(other, sizeof(other), "%d\n", (int)child);
	fd = fake_cgroup(dir, other, me);
	assert_int_equal(attribute_process(fd, inode_of(s), &who), ATTRIBUTED_EXACT);
	assert_int_equal(who.pid, getpid());
	assert_int_equal(who.uid, getuid());
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	assert_string_equal(who.exe, self);
	assert_string_equal(who.name, "test_attribute");
	assert_non_null(strstr(who.cmdline, "test_attribute"));
	/* two processes, no socket: nobody is named */
	assert_int_equal(attribute_process(fd, 0, &who), ATTRIBUTED_NONE);
	assert_int_equal(attribute_process(fd, 1, &who), ATTRIBUTED_NONE);
	fake_remove(dir, fd);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void test_only_process(void **state)
{
	static struct process_info who;
	char dir[] = "/tmp/agentfw-test-XXXXXX", me[32];
	int fd;

	snprintf(me, sizeof(me), "%d\n", (int)getpid());
	fd = fake_cgroup(dir, me, "");
	assert_int_equal(attribute_process(fd, 0, &who), ATTRIBUTED_FENCE);
	assert_int_equal(who.pid, getpid());
	fake_remove(dir, fd);
	memcpy(dir, "/tmp/agentfw-test-XXXXXX", sizeof(dir));
	fd = fake_cgroup(dir, "", "");
	assert_int_equal(attribute_process(fd, 0, &who), ATTRIBUTED_NONE);
	fake_remove(dir, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tcp),      cmocka_unit_test(test_tcp_mapped),
	    cmocka_unit_test(test_syn_sent), cmocka_unit_test(test_udp),
	    cmocka_unit_test(test_process),  cmocka_unit_test(test_only_process),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
