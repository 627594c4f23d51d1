/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Name servers of 127.0.0.1 that behave as the name says that they are asked for, and what a test
 * of fw/engine/dns/upstream.h keeps. */
#ifndef AGENTFW_TESTS_UPSTREAM_LAB_H
#define AGENTFW_TESTS_UPSTREAM_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "fw/engine/dns/upstream.h"
#include "fw/parent/host.h"
#include "policy/base/cleanup.h"
#include "tests/unit/lab/dns_msg.h"

#define SERVERS 2
#define ASKED   8
#define MANY    300
#define A       1
#define AAAA    28

/* One question and what came of it. */
struct asked {
	struct lab *lab;
	unsigned answers;
	bool none;
	struct dns_answer answer;
	uint64_t at_ms;
};

struct wanted {
	unsigned server;
	int type;
};

struct server {
	struct lab *lab;
	struct watch udp, tcp, connection;
	struct name_server at;
	unsigned n_udp, n_tcp;
	struct msg q;
	uint16_t ids[ASKED], ports[ASKED];
	/* The answer by TCP, in pieces. */
	struct timer timer;
	struct msg out;
	size_t sent;
};

struct lab {
	struct loop *loop;
	struct upstream *upstream;
	struct upstream_share share;
	struct server server[SERVERS];
	struct timer socket_timer, deadline;
	struct wanted wanted[MANY];
	size_t n_wanted;
	bool no_sockets; /* want_socket has nothing to give */
	struct asked asked[MANY];
	size_t n_asked, n_done;
	unsigned n_spoofed;
	uint64_t begin_ms;
};

static inline void good(const struct msg *q, struct msg *m)
{
	msg_answer(m, q, 0x8180, 1);
	msg_record(m, "good.example", A, 77, "\1\2\3\4", 4);
}

/* Everything that is nearly an answer to q. Returns false when there is no i-th. */
static inline bool forged(const struct msg *q, unsigned i, struct msg *m)
{
	unsigned id = msg_u16_at(q, 0);

	msg_header(m, i == 0 ? id ^ 1 : id, i == 1 ? 0x0100 : 0x8180,
		   i == 2   ? 2
		   : i == 3 ? 0
			    : 1,
		   1, 0);
	if (i != 3)
		msg_question(m, i == 4 ? "gooe.example" : "good.example", i == 5 ? AAAA : A,
			     i == 6 ? 3 : 1);
	if (i == 2)
		msg_question(m, "evil.example", A, 1);
	msg_record(m, "good.example", A, 60, "\6\6\6\6", 4);
	if (i == 7)
		msg_put(m, "x", 1); /* trailing */
	if (i == 8)
		m->n -= 1; /* cut */
	if (i == 9)
		m->n = 0;
	if (i == 10)
		m->b[2] = 0x89; /* opcode */
	return i < 11;
}

/* A good answer but for where it comes from: another port, another address. */
static inline void from_elsewhere(const struct server *s, const struct sockaddr_storage *to,
				  socklen_t len)
{
	const struct name_server from[] = {{{4, {127, 0, 0, 1}}, 0},
					   {{4, {127, 0, 0, 2}}, s->at.port}};
	struct msg m;

	msg_answer(&m, &s->q, 0x8180, 1);
	msg_record(&m, "good.example", A, 60, "\6\6\6\6", 4);
	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		struct sockaddr_storage ss;
		socklen_t n = addr_to_sockaddr(&from[i].addr, from[i].port, &ss);

		assert_int_equal(bind(fd, (struct sockaddr *)&ss, n), 0);
		assert_int_equal(sendto(fd, m.b, m.n, 0, (const struct sockaddr *)to, len), m.n);
	}
}

static inline void on_udp(struct watch *w, uint32_t events)
{
	struct server *s = w->arg;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t n = recvfrom(w->fd, s->q.b, sizeof(s->q.b), 0, (struct sockaddr *)&ss, &len);
	bool first = s == s->lab->server;
	struct addr from;
	char name[256];
	struct msg m;

	assert_true(n > 0);
	s->q.n = (size_t)n;
	msg_asked(&s->q, name);
	if (s->n_udp < ASKED) {
		s->ids[s->n_udp] = (uint16_t)msg_u16_at(&s->q, 0);
		addr_from_sockaddr((struct sockaddr *)&ss, &from, &s->ports[s->n_udp]);
	}
	s->n_udp++;
	good(&s->q, &m);
	if (strcmp(name, "silent.example") == 0 || (first && strcmp(name, "late.example") == 0))
		return;
	if (strcmp(name, "refused.example") == 0 || (first && strcmp(name, "other.example") == 0))
		msg_answer(&m, &s->q, 0x8185, 0);
	else if (strncmp(name, "cut", 3) == 0)
		m.b[2] |= 0x02; /* TC, with a record that is not to be used */
	for (unsigned i = 0; strcmp(name, "good.example") == 0 && forged(&s->q, i, &m); i++)
		sendto(w->fd, m.b, m.n, 0, (struct sockaddr *)&ss, len);
	if (strcmp(name, "good.example") == 0) {
		from_elsewhere(s, &ss, len);
		good(&s->q, &m);
	}
	for (unsigned i = 0; first && i < 64 && strcmp(name, "flood.example") == 0; i++) {
		forged(&s->q, 0, &m);
		sendto(w->fd, m.b, m.n, 0, (struct sockaddr *)&ss, len);
	}
	sendto(w->fd, m.b, m.n, 0, (struct sockaddr *)&ss, len);
}

/* The length alone, in two pieces, then the message in two. */
static inline void on_piece(struct timer *t)
{
	static const size_t ends[] = {1, 2, 20, sizeof(((struct msg *)0)->b)};
	struct server *s = t->arg;
	size_t i = 0, end;

	while (ends[i] <= s->sent)
		i++;
	end = ends[i] < s->out.n ? ends[i] : s->out.n;
	send(s->connection.fd, s->out.b + s->sent, end - s->sent, MSG_NOSIGNAL);
	s->sent = end;
	if (s->sent < s->out.n)
		timer_set(s->lab->loop, t, loop_now_ms(s->lab->loop) + 2);
}

static inline void on_connection(struct watch *w, uint32_t events)
{
	struct server *s = w->arg;
	uint8_t in[600];
	ssize_t n = recv(w->fd, in, sizeof(in), 0);
	char name[256];
	struct msg m;

	if (n <= 2) {
		loop_del(s->lab->loop, w);
		close(w->fd);
		return;
	}
	s->q.n = 0;
	msg_put(&s->q, in + 2, (size_t)n - 2);
	assert_int_equal(in[0] << 8 | in[1], n - 2);
	msg_asked(&s->q, name);
	msg_answer(&m, &s->q, 0x8180, 100);
	for (uint8_t i = 0; i < 100; i++)
		msg_record(&m, name, A, 60, (const uint8_t[]){1, 2, 4, i}, 4);
	if (strcmp(name, "cut-forged.example") == 0)
		m.b[0] ^= 1;
	s->out.n = s->sent = 0;
	msg_u16(&s->out, strcmp(name, "cut-empty.example") == 0 ? 0 : (unsigned)m.n);
	msg_put(&s->out, m.b, m.n);
	if (strcmp(name, "cut-short.example") == 0) {
		s->out.n = 50;
		send(w->fd, s->out.b, s->out.n, MSG_NOSIGNAL);
		shutdown(w->fd, SHUT_WR);
		return;
	}
	on_piece(&s->timer);
}

static inline void on_accept(struct watch *w, uint32_t events)
{
	struct server *s = w->arg;

	s->n_tcp++;
	if (s->connection.active) {
		loop_del(s->lab->loop, &s->connection);
		close(s->connection.fd);
	}
	s->connection = (struct watch){
	    .fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC), .fn = on_connection, .arg = s};
	loop_add(s->lab->loop, &s->connection, EPOLLIN);
}

#endif
