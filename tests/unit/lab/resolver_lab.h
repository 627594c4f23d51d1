/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A resolver with one fence, a client in front of it and a name server of ours behind it, over real
 * sockets of 127.0.0.1. The loop runs in a thread of its own; tests look at what it saw after
 * lab_end. */
#ifndef AGENTFW_TESTS_RESOLVER_LAB_H
#define AGENTFW_TESTS_RESOLVER_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "fw/engine/dns/resolver.h"
#include "fw/parent/host.h"
#include "policy/base/cleanup.h"
#include "tests/unit/lab/dns_msg.h"

#define A            1
#define PTR          12
#define TXT          16
#define AAAA         28
#define HTTPS        65
#define NOERROR      0
#define FORMERR      1
#define SERVFAIL     2
#define NXDOMAIN     3
#define NOTIMP       4
#define REFUSED      5
#define EDE_BLOCKED  15
#define EDE_FILTERED 17
#define SEEN         32

static const char policy_text[] =
    "version: 1\n"
    "egress:\n"
    "  - \"*.ok.example\"\n"
    "  - to: tcp://db.example:5432\n"
    "    addresses: [10.0.0.0/8]\n"
    "  - pin.example\n"
    "deny:\n"
    "  - bad.ok.example\n"
    "  - 203.0.113.0/24\n"
    "dns:\n"
    "  hosts: {pin.example: [10.9.8.7, \"fd00::7\"], lost.example: 10.9.8.8}\n";

struct pair {
	char name[256], addr[ADDR_STRLEN];
	uint32_t ttl_s;
	bool plain;
};

struct lab {
	struct loop *loop;
	struct policy *policy;
	void *blob;
	struct resolver *resolver;
	struct resolver_fence *fence;
	struct name_server at, server; /* the resolver, the name server behind it */
	struct watch udp, stop;
	struct timer socket_timer;
	size_t n_wanted; /* sockets asked for and not given yet */
	int client;
	pthread_t thread;
	bool ended;
	/* What was seen, for after lab_end. */
	struct pair learned[SEEN];
	size_t n_learned;
	struct denial denied[SEEN];
	size_t n_denied;
	unsigned n_served;
	struct verdict_wait *waits;
	uint32_t go; /* what denied() says */
	uint64_t forgotten;
};

/* ---- the name server: what a name begins with says how it answers -------- */

static inline void put_addr(struct msg *m, const char *owner, uint32_t ttl_s, const char *text)
{
	struct addr a;

	if (!addr_parse(text, strlen(text), &a))
		abort();
	msg_record(m, owner, a.family == 4 ? A : AAAA, ttl_s, a.b, a.family == 4 ? 4 : 16);
}

static inline void serve(const struct msg *q, const char *name, unsigned type, struct msg *m)
{
	if (strncmp(name, "loop.", 5) == 0) {
		msg_answer(m, q, 0x8180, 2);
		msg_cname(m, name, "b.example", 60);
		msg_cname(m, "b.example", name, 60);
	} else if (strncmp(name, "chain.", 6) == 0) {
		msg_answer(m, q, 0x8180, 3);
		msg_cname(m, name, "x.cdn.example", 300);
		msg_cname(m, "x.cdn.example", "y.cdn.example", 40);
		put_addr(m, "y.cdn.example", 200, "1.2.3.4");
	} else if (strncmp(name, "unrelated.", 10) == 0) {
		msg_answer(m, q, 0x8180, 3);
		put_addr(m, "evil.example", 60, "6.6.6.6");
		put_addr(m, name, 60, "1.2.3.4");
		put_addr(m, "pin.example", 60, "6.6.6.7");
	} else if (strncmp(name, "nx.", 3) == 0) {
		msg_answer(m, q, 0x8183, 0);
	} else if (strncmp(name, "fail.", 5) == 0) {
		msg_answer(m, q, 0x8182, 0);
	} else if (strncmp(name, "zero.", 5) == 0) {
		msg_answer(m, q, 0x8180, 1);
		put_addr(m, name, 0, "1.2.3.4");
	} else if (strncmp(name, "long.", 5) == 0) {
		msg_answer(m, q, 0x8180, 1);
		put_addr(m, name, 1000000, "1.2.3.4");
	} else if (strncmp(name, "mapped.", 7) == 0) {
		msg_answer(m, q, 0x8180, 1);
		msg_record(m, name, AAAA, 60, "\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4", 16);
	} else if (strncmp(name, "many.", 5) == 0) {
		char text[20];

		msg_answer(m, q, 0x8180, 60);
		for (int i = 0; i < 60; i++) {
			snprintf(text, sizeof(text), "1.2.4.%d", i);
			put_addr(m, name, 60, text);
		}
	} else if (type == HTTPS) {
		msg_answer(m, q, 0x8180, 1);
		msg_record(m, name, HTTPS, 60, "\0\1\0\0\1\0\3\2h2\0\4\0\4\6\6\6\6", 18);
	} else { /* the address is in the name: 10-0-0-1.ok.example, with x for a colon */
		char text[64];
		size_t n = strcspn(name, ".");

		for (size_t i = 0; i <= n; i++)
			text[i] = (char)(i == n           ? '\0'
					 : name[i] == '-' ? '.'
					 : name[i] == 'x' ? ':'
							  : name[i]);
		msg_answer(m, q, 0x8180, 1);
		put_addr(m, name, 3000, n == 2 ? "10.1.1.1" : text);
	}
}

static inline void on_upstream(struct watch *w, uint32_t events)
{
	struct lab *lab = w->arg;
	static struct msg q, m;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t n = recvfrom(w->fd, q.b, sizeof(q.b), 0, (struct sockaddr *)&ss, &len);
	char name[256];

	if (n < 0)
		return;
	q.n = (size_t)n;
	lab->n_served++;
	serve(&q, name, msg_asked(&q, name), &m);
	sendto(w->fd, m.b, m.n, 0, (struct sockaddr *)&ss, len);
}

/* ---- what the resolver asks of the engine -------------------------------- */

static inline void want_socket(void *arg, struct resolver_fence *rf, unsigned server, int type)
{
	struct lab *lab = arg;

	lab->n_wanted++;
	timer_set(lab->loop, &lab->socket_timer, loop_now_ms(lab->loop));
}

static inline void on_socket_timer(struct timer *t)
{
	struct lab *lab = t->arg;

	for (; lab->n_wanted; lab->n_wanted--)
		resolver_socket(lab->fence, 0, SOCK_DGRAM,
				host_connect(geteuid(), &lab->server, SOCK_DGRAM));
}

static inline void learn(void *arg, struct resolver_fence *rf, const struct name *name,
			 const struct addr *addrs, const bool *plain, size_t n, uint32_t ttl_s)
{
	struct lab *lab = arg;

	for (size_t i = 0; i < n && lab->n_learned < SEEN; i++) {
		struct pair *p = &lab->learned[lab->n_learned++];

		memcpy(p->name, name->s, sizeof(name->s));
		addr_format(&addrs[i], p->addr);
		p->ttl_s = ttl_s;
		p->plain = plain[i];
	}
}

static inline uint64_t forgotten(void *arg, struct resolver_fence *rf)
{
	return ((struct lab *)arg)->forgotten;
}

static inline uint32_t denied(void *arg, struct resolver_fence *rf, const struct denial *d)
{
	struct lab *lab = arg;

	if (lab->n_denied < SEEN)
		lab->denied[lab->n_denied++] = *d;
	return lab->go;
}

static inline bool is_local(void *arg, const struct addr *a)
{
	return a->family == 4 && memcmp(a->b, "\x08\x08\x04\x04", 4) == 0;
}

/* ---- life of the lab ----------------------------------------------------- */

static inline void on_stop(struct watch *w, uint32_t events)
{
	loop_stop(((struct lab *)w->arg)->loop);
}

static inline void *run(void *arg)
{
	loop_run(((struct lab *)arg)->loop);
	return NULL;
}

static inline void policy_make(struct lab *lab)
{
	struct diags d;
	struct err e;
	size_t bytes;

	assert_int_equal(
	    policy_compile("/p.yaml", policy_text, strlen(policy_text), &d, &lab->blob, &bytes), 0);
	diags_done(&d);
	assert_int_equal(policy_open(lab->blob, bytes, &lab->policy, &e), 0);
}

static inline void lab_begin(struct lab *lab, bool audit)
{
	static const struct resolver_ops ops = {.want_socket = want_socket,
						.learn = learn,
						.forgotten = forgotten,
						.denied = denied,
						.is_local = is_local};
	struct resolver_fence_config c = {.audit = audit, .fence = 7, .n_servers = 1};
	struct dns_sockets s, upstream;
	struct timeval tv = {.tv_sec = 10};
	struct err e;

	*lab = (struct lab){0};
	policy_make(lab);
	assert_int_equal(loop_new(&lab->loop), 0);
	assert_int_equal(host_dns_sockets(geteuid(), &s, &e), 0);
	assert_int_equal(host_dns_sockets(geteuid(), &upstream, &e), 0);
	lab->at = (struct name_server){{4, {127, 0, 0, 1}}, s.port};
	lab->server = (struct name_server){{4, {127, 0, 0, 1}}, upstream.port};
	lab->udp = (struct watch){.fd = steal_fd(&upstream.udp4), .fn = on_upstream, .arg = lab};
	host_dns_sockets_close(&upstream);
	lab->stop = (struct watch){.fd = eventfd(0, EFD_CLOEXEC), .fn = on_stop, .arg = lab};
	lab->socket_timer = (struct timer){.fn = on_socket_timer, .arg = lab};
	assert_int_equal(loop_add(lab->loop, &lab->udp, EPOLLIN), 0);
	assert_int_equal(loop_add(lab->loop, &lab->stop, EPOLLIN), 0);
	assert_int_equal(verdict_wait_new(lab->loop, &lab->waits), 0);
	assert_int_equal(resolver_new(lab->loop, &ops, lab, lab->waits, &lab->resolver), 0);
	c.policy = lab->policy;
	c.fence_arg = lab;
	c.udp4 = s.udp4, c.tcp4 = s.tcp4, c.udp6 = s.udp6, c.tcp6 = s.tcp6;
	assert_int_equal(resolver_fence_add(lab->resolver, &c, &lab->fence), 0);
	assert_ptr_equal(resolver_fence_arg(lab->fence), lab);
	lab->client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(lab->client, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&lab->at.addr, lab->at.port, &ss);
	assert_int_equal(connect(lab->client, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(pthread_create(&lab->thread, NULL, run, lab), 0);
}

/* What the resolver said and learned may be looked at from here on. */
static inline void lab_end(struct lab *lab)
{
	if (lab->ended)
		return;
	lab->ended = true;
	assert_int_equal(eventfd_write(lab->stop.fd, 1), 0);
	pthread_join(lab->thread, NULL);
	resolver_fence_del(lab->fence);
	resolver_free(lab->resolver);
	verdict_wait_free(lab->waits);
	loop_free(lab->loop);
	close(lab->client);
	close(lab->udp.fd);
	close(lab->stop.fd);
	policy_free(lab->policy);
	free(lab->blob);
}

static inline int teardown(void **state)
{
	lab_end(*state);
	return 0;
}

static inline int setup(void **state)
{
	static struct lab lab;

	lab_begin(&lab, false);
	*state = &lab;
	return 0;
}

static inline int setup_audit(void **state)
{
	static struct lab lab;

	lab_begin(&lab, true);
	*state = &lab;
	return 0;
}

/* ---- asking -------------------------------------------------------------- */

struct reply {
	unsigned id, flags, rcode, n;
	uint32_t ttl_s;
	char addr[SEEN][ADDR_STRLEN];
	struct msg m;
	int ede; /* -1: none */
	char text[300];
};

static inline void read_opt(struct reply *r, size_t at, size_t n)
{
	size_t size = msg_u16_at(&r->m, at + 2);

	if (!n)
		return;
	assert_int_equal(msg_u16_at(&r->m, at), 15);
	assert_int_equal(n, 4 + size);
	assert_in_range(size, 2, 2 + sizeof(r->text) - 1);
	r->ede = (int)msg_u16_at(&r->m, at + 4);
	memcpy(r->text, r->m.b + at + 6, size - 2);
	r->text[size - 2] = '\0';
}

/* Every record has the question as its owner: chains are not handed on. */
static inline void read_reply(struct reply *r)
{
	size_t at = msg_skip_name(&r->m, 12) + 4;
	unsigned total = msg_u16_at(&r->m, 6) + msg_u16_at(&r->m, 10);

	r->id = msg_u16_at(&r->m, 0);
	r->flags = msg_u16_at(&r->m, 2) & 0xfff0;
	r->rcode = r->m.b[3] & 15;
	r->n = msg_u16_at(&r->m, 6);
	r->ede = -1;
	if (!msg_u16_at(&r->m, 4)) {
		assert_int_equal(r->m.n, 12);
		return;
	}
	for (unsigned i = 0; i < total; i++) {
		size_t body = msg_skip_name(&r->m, at) + 10, n = msg_u16_at(&r->m, body - 2);
		unsigned type = msg_u16_at(&r->m, body - 10);
		struct addr a;

		assert_true(body + n <= r->m.n);
		assert_int_equal(type == 41 ? r->m.b[at] : msg_u16_at(&r->m, at),
				 type == 41 ? 0 : 0xc00c);
		if (type == 41)
			read_opt(r, body, n);
		else
			r->ttl_s = msg_u16_at(&r->m, body - 6) << 16 | msg_u16_at(&r->m, body - 4);
		if ((type == A || type == AAAA) && i < SEEN) {
			a = type == A ? addr_from_v4(r->m.b + body) : addr_from_v6(r->m.b + body);
			addr_format(&a, r->addr[i]);
		}
		at = body + n;
	}
	assert_int_equal(at, r->m.n);
}

static inline void ask_msg(struct lab *lab, const struct msg *q, struct reply *r)
{
	ssize_t n;

	assert_int_equal(send(lab->client, q->b, q->n, 0), q->n);
	n = recv(lab->client, r->m.b, sizeof(r->m.b), 0);
	assert_true(n >= 12);
	r->m.n = (size_t)n;
	read_reply(r);
}

static inline void query(struct msg *q, unsigned id, const char *name, unsigned type)
{
	msg_header(q, id, 0x0100, 1, 0, 1);
	msg_question(q, name, type, 1);
	msg_opt(q, 4096);
}

static inline struct reply *ask(struct lab *lab, const char *name, unsigned type)
{
	static struct reply r;
	struct msg q;

	query(&q, 0x4711, name, type);
	ask_msg(lab, &q, &r);
	assert_int_equal(r.id, 0x4711);
	assert_int_equal(r.flags, 0x8180);
	assert_memory_equal(r.m.b + 12, q.b + 12, msg_skip_name(&q, 12) + 4 - 12);
	return &r;
}

#endif
