// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/host.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "fw/ipc/control_msg.h"
#include "policy/base/cleanup.h"

#define PORT_TRIES 64
/* The kernel doubles these sizes. Each question that waits in a UDP socket takes 768 bytes, and a
 * program may ask for thousands of names at once. A TCP connection inherits its listener's buffers,
 * and a fence may have hundreds of connections: room for a question and a few answers. */
#define UDP_RCVBUF      (4 << 20)
#define UDP_SNDBUF      (256 << 10)
#define TCP_RCVBUF      (8 << 10)
#define TCP_SNDBUF      (32 << 10)
#define UPSTREAM_RCVBUF (32 << 10) /* one answer, and some forgeries */
#define UPSTREAM_SNDBUF (8 << 10)  /* one question */

int host_cgroup_mount(char *ret, size_t bytes, struct err *e)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0) {
		char *dash = strstr(line, " - cgroup2 "), *path;

		if (!dash)
			continue;
		*dash = '\0';
		path = line; /* the fifth field */
		for (int i = 0; i < 4 && path; i++)
			path = strchr(path, ' ') ? strchr(path, ' ') + 1 : NULL;
		if (!path)
			continue;
		path[strcspn(path, " ")] = '\0';
		if ((size_t)snprintf(ret, bytes, "%s", path) < bytes)
			return 0;
	}
	err_set(e, ENOENT, "no cgroup v2 hierarchy is mounted");
	return err_hint(e, "mount one: mount -t cgroup2 none /sys/fs/cgroup/unified");
}

int host_cgroup_kill(int dir_fd)
{
	_cleanup_close_ int fd = openat(dir_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, "1", 1) == 1 ? 0 : -errno;
}

bool host_cgroup_populated(int dir_fd)
{
	_cleanup_close_ int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char buf[256] = "";

	if (fd < 0)
		return errno != ENOENT && errno != ENODEV; /* gone, or unknown */
	if (read(fd, buf, sizeof(buf) - 1) < 0)
		return errno != ENODEV;
	return strstr(buf, "populated 1") != NULL;
}

/* Version 2's, of a process; to be freed. NULL: it cannot be told. */
static char *cgroup_of(pid_t pid)
{
	char path[64];
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	f = fopen(path, "re");
	while (f && getline(&line, &room, f) > 0)
		if (strncmp(line, "0::", 3) == 0) {
			line[strcspn(line, "\n")] = '\0';
			return strdup(line + 3);
		}
	return NULL;
}

bool host_process_fenced(pid_t pid)
{
	static const char fences[] = "/" CTL_CGROUP_DIR "/";
	_cleanup_free_ char *cgroup = cgroup_of(pid);

	return !cgroup || strncmp(cgroup, fences, strlen(fences)) == 0;
}

void host_cgroup_leave(const char *fences)
{
	_cleanup_free_ char *own = cgroup_of(getpid());
	const char *name = own ? strrchr(own, '/') : NULL, *slash = strrchr(fences, '/');
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int n = slash ? (int)(slash - fences) : 0;

	if (!name || !slash || strcmp(name + 1, CTL_DAEMON_CGROUP_DIR) != 0)
		return;
	snprintf(path, sizeof(path), "%.*s/cgroup.procs", n, fences);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) < 0)
		return;
	snprintf(path, sizeof(path), "%.*s/" CTL_DAEMON_CGROUP_DIR, n, fences);
	rmdir(path); /* the last of them */
}

/* ---- sockets ------------------------------------------------------------- */

/* The rules ask for the file system's uid of who opened it. */
static int socket_of(uint32_t owner, int family, int type)
{
	int fd;

	setfsuid(owner);
	fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setfsuid(geteuid());
	return fd;
}

static int bound(uint32_t owner, int family, int type, uint16_t port)
{
	int fd = socket_of(owner, family, type);
	const int in = type == SOCK_DGRAM ? UDP_RCVBUF : TCP_RCVBUF;
	const int out = type == SOCK_DGRAM ? UDP_SNDBUF : TCP_SNDBUF;
	struct sockaddr_storage ss;
	struct addr lo = {.family = family == AF_INET ? 4 : 6};
	socklen_t len;

	if (fd < 0)
		return -errno;
	if (family == AF_INET)
		memcpy(lo.b, (const uint8_t[]){127, 0, 0, 1}, 4);
	else
		lo.b[15] = 1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &in, sizeof(in));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &out, sizeof(out));
	len = addr_to_sockaddr(&lo, port, &ss);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 512) < 0)) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static bool family_missing(int r)
{
	return r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT;
}

void host_dns_sockets_close(struct dns_sockets *s)
{
	int *const all[] = {&s->udp4, &s->tcp4, &s->udp6, &s->tcp6};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (*all[i] >= 0)
			close(*all[i]);
		*all[i] = -1;
	}
}

/* All four on the port that the first one got; -EADDRINUSE: somebody has one of them. */
static int dns_sockets_once(uint32_t owner, struct dns_sockets *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr a;
	int r;

	*s = (struct dns_sockets){-1, -1, -1, -1, 0};
	if ((r = s->udp4 = bound(owner, AF_INET, SOCK_DGRAM, 0)) < 0)
		return r;
	if (getsockname(s->udp4, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	addr_from_sockaddr((struct sockaddr *)&ss, &a, &s->port);
	if ((r = s->tcp4 = bound(owner, AF_INET, SOCK_STREAM, s->port)) < 0)
		return r;
	r = s->udp6 = bound(owner, AF_INET6, SOCK_DGRAM, s->port);
	if (r < 0)
		return family_missing(r) ? 0 : r;
	r = s->tcp6 = bound(owner, AF_INET6, SOCK_STREAM, s->port);
	return r < 0 ? r : 0;
}

int host_dns_sockets(uint32_t owner, struct dns_sockets *ret, struct err *e)
{
	int r = -EADDRINUSE;

	for (int i = 0; i < PORT_TRIES && r == -EADDRINUSE; i++) {
		r = dns_sockets_once(owner, ret);
		if (r < 0)
			host_dns_sockets_close(ret);
	}
	if (r == 0)
		return 0;
	err_set(e, -r, "cannot open the resolver's sockets on 127.0.0.1: %s", strerror(-r));
	return family_missing(r) ? err_hint(e, "bring the loopback device up: ip link set lo up")
				 : r;
}

size_t host_name_servers(struct name_server *ret, size_t max)
{
	_cleanup_fclose_ FILE *f = fopen("/etc/resolv.conf", "re");
	char line[512];
	size_t n = 0;

	while (f && n < max && fgets(line, sizeof(line), f)) {
		char *p = line + strspn(line, " \t");
		size_t len;

		if (strncmp(p, "nameserver", 10) != 0 || !isspace((unsigned char)p[10]))
			continue;
		p += 10 + strspn(p + 10, " \t");
		len = strcspn(p, " \t\r\n#;");
		if (addr_parse(p, len, &ret[n].addr))
			ret[n++].port = 53;
	}
	return n;
}

int host_connect(uint32_t owner, const struct name_server *s, int type)
{
	int family = s->addr.family == 4 ? AF_INET : AF_INET6;
	int fd = socket_of(owner, family, type);
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&s->addr, s->port, &ss);
	const int in = UPSTREAM_RCVBUF, out = UPSTREAM_SNDBUF;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &in, sizeof(in));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out, sizeof(out));
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

bool host_tcp_orphans(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/net/sockstat", "re");
	unsigned n = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "TCP: inuse %*u orphan %u", &n) == 1)
			return n > 0;
	return true; /* unknown */
}

static int by_number(const void *x, const void *y)
{
	const struct host_queue *a = x, *b = y;

	return (a->number > b->number) - (a->number < b->number);
}

/* The only place where the kernel tells this, and it lists all queues. */
size_t host_queues(struct host_queue **ret)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/net/netfilter/nfnetlink_queue", "re");
	struct host_queue *list = NULL;
	size_t n = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		struct host_queue q;
		uint64_t full, user;

		if (sscanf(line, "%" SCNu16 " %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &q.number,
			   &full, &user) != 3)
			continue;
		if (n % 64 == 0) {
			struct host_queue *more = reallocarray(list, n + 64, sizeof(*list));

			if (!more)
				break;
			list = more;
		}
		q.dropped = full + user;
		list[n++] = q;
	}
	if (n)
		qsort(list, n, sizeof(*list), by_number);
	*ret = list;
	return n;
}

uint64_t host_queue_dropped(const struct host_queue *list, size_t n, uint16_t number)
{
	const struct host_queue key = {.number = number}, *q;

	q = n ? bsearch(&key, list, n, sizeof(*list), by_number) : NULL;
	return q ? q->dropped : 0;
}
