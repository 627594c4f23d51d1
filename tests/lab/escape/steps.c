// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/escape/steps.h"
#include "tests/lab/escape/values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/in6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS   3
#define LOOKUP_MS 300

static void drop_locked(struct slot *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

/* Under the lock: nothing is written to whoever gets the number next. */
void escape_drop(struct slot *t)
{
	pthread_mutex_lock(&t->lock);
	drop_locked(t);
	pthread_mutex_unlock(&t->lock);
}

void escape_reset(struct slot *t)
{
	const struct linger l = {1, 0};

	if (t->fd >= 0)
		setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	escape_drop(t);
}

static int make(struct slot *t, const struct escape_step *s)
{
	const int family = s->v6 ? AF_INET6 : AF_INET, flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

	pthread_mutex_lock(&t->lock);
	drop_locked(t);
	t->stream = (struct escape_stream){0};
	t->v6 = s->v6;
	t->type = s->type;
	t->fd = s->type == TYPE_TCP ? socket(family, SOCK_STREAM | flags, 0)
				    : socket(family, SOCK_DGRAM | flags,
					     s->type == TYPE_UDP ? IPPROTO_UDP
					     : s->v6             ? IPPROTO_ICMPV6
								 : IPPROTO_ICMP);
	pthread_mutex_unlock(&t->lock);
	return t->fd;
}

static void wait_for(int fd, short what, int ms)
{
	struct pollfd p = {fd, what, 0};

	poll(&p, 1, ms);
}

/* A connection that is over, or none yet: what is written next begins another. */
static bool closed(const struct slot *t)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	return t->type != TYPE_TCP || (getsockopt(t->fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 &&
				       info.tcpi_state == TCP_CLOSE);
}

static int connect_to(struct slot *t, const struct sockaddr *a, socklen_t n, bool wait)
{
	bool fresh;
	int r;

	pthread_mutex_lock(&t->lock);
	fresh = closed(t);
	r = connect(t->fd, a, n);
	if ((r == 0 && fresh) || (r && errno == EINPROGRESS))
		t->stream = (struct escape_stream){0};
	else if (r == 0) /* another one, or the one that MSG_FASTOPEN began */
		t->stream.state = STREAM_UNKNOWN;
	pthread_mutex_unlock(&t->lock);
	if (wait && r && errno == EINPROGRESS) {
		wait_for(t->fd, POLLOUT, WAIT_MS);
		errno = EINPROGRESS;
	}
	return r;
}

static int connect_step(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct sockaddr_storage a;
	const socklen_t n = escape_address(w->own_port, &s->to, t->v6, &a);

	return connect_to(t, (struct sockaddr *)&a, n, s->wait);
}

/* IPv4 to an IPv6 socket, and back where it is mapped. */
static void convert(struct sockaddr_storage *a, socklen_t *n, bool v6)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};
	struct sockaddr_in a4 = {.sin_family = AF_INET};

	if (v6 && a->ss_family == AF_INET) {
		memcpy(&a4, a, sizeof(a4));
		a6.sin6_port = a4.sin_port;
		a6.sin6_addr.s6_addr[10] = a6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(&a6.sin6_addr.s6_addr[12], &a4.sin_addr, 4);
		memcpy(a, &a6, *n = sizeof(a6));
	} else if (!v6 && a->ss_family == AF_INET6) {
		memcpy(&a6, a, sizeof(a6));
		a4.sin_port = a6.sin6_port;
		if (IN6_IS_ADDR_V4MAPPED(&a6.sin6_addr))
			memcpy(&a4.sin_addr, &a6.sin6_addr.s6_addr[12], 4);
		memcpy(a, &a4, *n = sizeof(a4));
	}
}

static int connect_as(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);

	if (getpeername(w->slots[s->other].fd, (struct sockaddr *)&a, &n))
		return -1;
	convert(&a, &n, t->v6);
	return connect_to(t, (struct sockaddr *)&a, n, s->wait);
}

/* With the address, or, where `wait` says so, with the port alone. */
static int bind_as(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);

	if (getsockname(w->slots[s->other].fd, (struct sockaddr *)&a, &n))
		return -1;
	if (a.ss_family == AF_INET && !s->wait)
		((struct sockaddr_in *)&a)->sin_addr.s_addr = 0;
	else if (a.ss_family == AF_INET6 && !s->wait)
		((struct sockaddr_in6 *)&a)->sin6_addr = in6addr_any;
	convert(&a, &n, t->v6);
	return bind(t->fd, (struct sockaddr *)&a, n);
}

static int bind_step(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct sockaddr_storage a;
	const socklen_t n = escape_address(w->own_port, &s->to, t->v6, &a);

	return bind(t->fd, (struct sockaddr *)&a, n);
}

static void bind_device(struct slot *t, uint8_t device)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_scope_id = escape_device_index[device]};
	const char *const name = escape_devices[device];

	if (setsockopt(t->fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1) ==
		0 ||
	    !t->v6)
		return;
	/* fails too, but the scope stays */
	inet_pton(AF_INET6, "fe80::dead", &a.sin6_addr);
	(void)!bind(t->fd, (struct sockaddr *)&a, sizeof(a));
}

/* The first of two, by the agent's device, and connected. */
static int first_twin(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(w->own_port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(w->own_port)};
	struct sockaddr_storage to, a = {0};
	const socklen_t n_to = escape_address(w->own_port, &s->to, s->v6, &to);
	socklen_t n = sizeof(a4);
	const int on = 1;

	if (make(t, s) < 0)
		return -1;
	setsockopt(t->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	bind_device(t, 2);
	inet_pton(AF_INET, "198.51.100.2", &a4.sin_addr);
	inet_pton(AF_INET6, "2001:db8:1::2", &a6.sin6_addr);
	memcpy(&a, &a4, sizeof(a4));
	convert(&a, &n, t->v6);
	if (to.ss_family == AF_INET6 &&
	    !IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *)&to)->sin6_addr))
		memcpy(&a, &a6, n = sizeof(a6));
	if (bind(t->fd, (struct sockaddr *)&a, n))
		return -1;
	return connect_to(t, (struct sockaddr *)&to, n_to, true);
}

static int twin(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct slot *first = &w->slots[s->other];
	const int made = s->both && first != t ? first_twin(w, first, s) : 0, other = first->fd,
		  on = 1;
	const struct escape_step kind = {.v6 = s->v6, .type = first->type};
	struct sockaddr_storage here, there;
	socklen_t n_here = sizeof(here), n_there = sizeof(there);

	if (t == first || (made && errno != EINPROGRESS) ||
	    getsockname(other, (struct sockaddr *)&here, &n_here) ||
	    getpeername(other, (struct sockaddr *)&there, &n_there) || make(t, &kind) < 0)
		return -1;
	setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(t->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	bind_device(t, s->device);
	if (s->value && kind.type == TYPE_TCP)
		setsockopt(t->fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on));
	convert(&here, &n_here, t->v6);
	convert(&there, &n_there, t->v6);
	if (bind(t->fd, (struct sockaddr *)&here, n_here))
		return -1;
	return connect_to(t, (struct sockaddr *)&there, n_there, s->wait);
}

static int disconnect(struct slot *t)
{
	const struct sockaddr a = {.sa_family = AF_UNSPEC};
	int r;

	pthread_mutex_lock(&t->lock);
	r = connect(t->fd, &a, sizeof(a));
	if (r == 0)
		t->stream = (struct escape_stream){0};
	pthread_mutex_unlock(&t->lock);
	return r;
}

static int compare(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* All of the buffer, in the step's pieces. After a cut write the stream's kind is not known. */
static int write_pieces(struct slot *t, struct msghdr *m, struct escape_buffer *b,
			const struct escape_step *s, int flags)
{
	uint16_t cuts[4];
	size_t at = 0;
	ssize_t r = 0;

	memcpy(cuts, s->cuts, sizeof(cuts));
	qsort(cuts, s->n_cuts, sizeof(cuts[0]), compare);
	for (unsigned i = 0; i <= s->n_cuts; i++) {
		const size_t end = i < s->n_cuts ? b->bytes * cuts[i] / 65536 : b->bytes;
		struct iovec v = {b->data + at, end - at};

		if (end == at)
			continue;
		m->msg_iov = &v;
		m->msg_iovlen = 1;
		r = sendmsg(t->fd, m,
			    (at ? flags & ~MSG_FASTOPEN : flags) | MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r != (ssize_t)(end - at)) {
			/* nothing went out: as it was before; else half of it is there */
			if (at > 0 || r > 0)
				t->stream.state = STREAM_UNKNOWN;
			return r < 0 ? -1 : 0;
		}
		at = end;
	}
	return 0;
}

static int send_step(struct worker *w, struct slot *t, const struct escape_step *s, unsigned thread)
{
	struct escape_buffer *b = w->buffers[thread];
	struct sockaddr_storage a;
	uint8_t room[256];
	struct msghdr m = {0};
	struct escape_stream before;
	int r, flags = s->flags;

	if (s->op == OP_SEND_TO) {
		m.msg_name = &a;
		m.msg_namelen = escape_address(w->own_port, &s->to, t->v6, &a);
	}
	m.msg_controllen = escape_control(s, room, sizeof(room));
	m.msg_control = m.msg_controllen ? room : NULL;
	b->bytes = 0;
	if (t->type == TYPE_PING) {
		const uint8_t echo[8] = {t->v6 ? 128 : 8};

		memcpy(b->data, echo, 8);
		b->bytes = 8;
	}
	pthread_mutex_lock(&t->lock);
	before = t->stream;
	if (closed(t))
		t->stream = (struct escape_stream){0};
	else /* or it would begin another connection when this one ends meanwhile */
		flags &= ~MSG_FASTOPEN;
	for (unsigned i = 0; i < s->n_messages; i++)
		escape_write(b, &t->stream, &s->messages[i]);
	r = write_pieces(t, &m, b, s, flags);
	if (r && t->stream.state != STREAM_UNKNOWN)
		t->stream = before;
	pthread_mutex_unlock(&t->lock);
	if (s->wait && r == 0)
		wait_for(t->fd, POLLIN, WAIT_MS);
	return r;
}

static int accept_step(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct slot *to = &w->slots[s->other];
	int fd;

	if (s->wait)
		wait_for(t->fd, POLLIN, WAIT_MS);
	fd = accept4(t->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return -1;
	pthread_mutex_lock(&to->lock);
	drop_locked(to);
	to->v6 = t->v6;
	to->type = TYPE_TCP;
	to->stream = (struct escape_stream){0};
	to->fd = fd;
	pthread_mutex_unlock(&to->lock);
	return 0;
}

void escape_lookup(const char *name, bool canary, uint32_t program, bool wait)
{
	struct escape_buffer b;
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(53)};
	char answer[512];

	if (fd < 0)
		return;
	inet_pton(AF_INET, "203.0.113.53", &a.sin_addr);
	b.program = program;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		escape_question(&b, name, canary, (uint16_t)(program + v6), v6);
		if (sendto(fd, b.data, b.bytes, MSG_DONTWAIT, (struct sockaddr *)&a, sizeof(a)) < 0)
			continue;
		if (wait)
			wait_for(fd, POLLIN, LOOKUP_MS);
		(void)!recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
	}
	close(fd);
}

int escape_do(struct worker *w, const struct escape_step *s, unsigned thread)
{
	struct slot *t = &w->slots[s->slot];
	char waste[4096];

	switch ((enum escape_op)s->op) {
	case OP_SOCKET:
		return make(t, s);
	case OP_BIND:
		return bind_step(w, t, s);
	case OP_BIND_AS:
		return bind_as(w, t, s);
	case OP_CONNECT:
		return connect_step(w, t, s);
	case OP_CONNECT_AS:
		return connect_as(w, t, s);
	case OP_TWIN:
		return twin(w, t, s);
	case OP_DISCONNECT:
		return disconnect(t);
	case OP_OPTION:
		return escape_set_option(t->fd, s);
	case OP_RANDOM_OPTION:
		return escape_random_option(t->fd, s);
	case OP_SEND:
	case OP_SEND_TO:
		return send_step(w, t, s, thread);
	case OP_LISTEN:
		return listen(t->fd, 4);
	case OP_ACCEPT:
		return accept_step(w, t, s);
	case OP_RECEIVE:
		return (int)recv(t->fd, waste, sizeof(waste), MSG_DONTWAIT);
	case OP_SHUTDOWN:
		return shutdown(t->fd, (int)s->value % 3);
	case OP_RESET:
		escape_reset(t);
		return 0;
	case OP_CLOSE:
		escape_drop(t);
		return 0;
	case OP_GIVE:
	case OP_OUTSIDER:
	case OP_LEAVE:
		return escape_others(w, t, s);
	case OP_LOOKUP:
		escape_lookup(escape_names[s->value % ESCAPE_NAMES], s->value >= ESCAPE_NAMES,
			      w->program, false);
		return 0;
	case OP_PAUSE:
		if (s->value & 1)
			wait_for(t->fd, POLLIN, 1);
		else
			sched_yield();
		return 0;
	case ESCAPE_OPS:
		break;
	}
	return -1;
}
