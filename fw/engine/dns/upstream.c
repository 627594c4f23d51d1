// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/dns/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fw/ipc/budget.h"

#define ASKS_MAX      32768 /* ten thousand lookups of both kinds at once, and room */
#define FLYING_MAX    256   /* per fence: as many as a server's socket buffers by default */
#define TRIES_MAX     3
#define TRY_MS        1200
#define PARKED_MS     (TRIES_MAX * TRY_MS)
#define FORGERIES_MAX 64 /* wrong answers per question before it tries again */

struct queue {
	struct ask *first, *last;
};

struct ask {
	struct ask *next, *prev;
	struct upstream *u;
	struct name name;
	uint16_t type, id;
	void *question;
	unsigned server, tries, forgeries;
	int socket_type;
	struct queue *queue; /* in which it waits; NULL: none */
	struct ask *queue_next, *queue_prev;
	bool flying, sent;
	struct watch watch;
	struct timer timer;
	uint64_t parked_until_ms;
	uint8_t *in; /* TCP: length and message */
	size_t in_n;
};

struct upstream {
	struct loop *loop;
	size_t n_servers;
	struct upstream_ops ops;
	void *arg;
	struct ask *asks;
	struct queue waiting; /* for a socket; these come in the order of asking */
	struct queue parked;  /* until fewer are under way */
	size_t n, n_flying;
	struct upstream_share *share;
	struct budget *budget;
	struct timer parked_timer; /* one for all parked questions, which are in order of time */
};

static void on_parked(struct timer *t);

int upstream_new(struct loop *loop, size_t n_servers, const struct upstream_ops *ops, void *arg,
		 struct upstream_share *share, struct budget *budget, struct upstream **ret)
{
	struct upstream *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->loop = loop;
	u->n_servers = n_servers;
	u->ops = *ops;
	u->arg = arg;
	u->share = share;
	u->budget = budget;
	u->parked_timer = (struct timer){.fn = on_parked, .arg = u, .budget = budget};
	*ret = u;
	return 0;
}

static void queue_leave(struct ask *a)
{
	struct queue *q = a->queue;

	if (!q)
		return;
	a->queue = NULL;
	*(a->queue_prev ? &a->queue_prev->queue_next : &q->first) = a->queue_next;
	*(a->queue_next ? &a->queue_next->queue_prev : &q->last) = a->queue_prev;
}

static void queue_enter(struct ask *a, struct queue *q)
{
	queue_leave(a);
	a->queue = q;
	a->queue_next = NULL;
	a->queue_prev = q->last;
	*(q->last ? &q->last->queue_next : &q->first) = a;
	q->last = a;
}

static void socket_close(struct ask *a)
{
	queue_leave(a);
	if (a->watch.fd < 0)
		return;
	loop_del(a->u->loop, &a->watch);
	close(a->watch.fd);
	a->watch.fd = -1;
	a->sent = false;
	a->in_n = 0;
}

static void ask_free(struct ask *a)
{
	struct upstream *u = a->u;

	socket_close(a);
	timer_cancel(u->loop, &a->timer);
	*(a->prev ? &a->prev->next : &u->asks) = a->next;
	if (a->next)
		a->next->prev = a->prev;
	u->n--;
	u->n_flying -= a->flying;
	u->share->n -= a->flying;
	free(a->in);
	free(a);
}

void upstream_free(struct upstream *u)
{
	if (!u)
		return;
	while (u->asks)
		ask_free(u->asks);
	timer_cancel(u->loop, &u->parked_timer);
	free(u);
}

static void begin_try(struct ask *a, int socket_type)
{
	struct upstream *u = a->u;

	socket_close(a);
	a->socket_type = socket_type;
	u->n_flying += !a->flying;
	u->share->n += !a->flying;
	a->flying = true;
	queue_enter(a, &u->waiting);
	timer_set(u->loop, &a->timer, loop_now_ms(u->loop) + TRY_MS);
	u->ops.want_socket(u->arg, a->server, socket_type);
}

static bool may_fly(const struct upstream *u)
{
	return u->n_flying < FLYING_MAX && u->n_flying + u->share->n < u->share->max;
}

static void upstream_finish(struct ask *a, const struct dns_answer *answer)
{
	struct upstream *u = a->u;
	void *question = a->question;

	ask_free(a);
	while (u->parked.first && may_fly(u))
		begin_try(u->parked.first, SOCK_DGRAM);
	u->ops.answer(u->arg, question, answer);
}

static void next_try(struct ask *a)
{
	if (++a->tries >= TRIES_MAX) {
		upstream_finish(a, NULL);
		return;
	}
	a->server = (a->server + 1) % (unsigned)a->u->n_servers;
	begin_try(a, SOCK_DGRAM);
}

static void on_timeout(struct timer *t)
{
	next_try(t->arg);
}

static void on_parked(struct timer *t)
{
	struct upstream *u = t->arg;
	uint64_t now = loop_now_ms(u->loop);
	struct ask *a;

	while ((a = u->parked.first) && a->parked_until_ms <= now && budget_left(u->budget))
		upstream_finish(a, NULL);
	if (a)
		timer_set(u->loop, t, a->parked_until_ms);
}

/* Too many questions at once would make a server lose those of other fences, too. */
static void park(struct ask *a)
{
	struct upstream *u = a->u;

	queue_enter(a, &u->parked);
	a->parked_until_ms = loop_now_ms(u->loop) + PARKED_MS;
	if (!u->parked_timer.slot)
		timer_set(u->loop, &u->parked_timer, a->parked_until_ms);
}

int upstream_ask(struct upstream *u, const struct name *name, uint16_t type, void *question)
{
	struct ask *a;

	if (!u->n_servers || u->n >= ASKS_MAX)
		return -EAGAIN;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->u = u;
	a->name = *name;
	a->type = type;
	a->question = question;
	a->watch.fd = -1;
	a->timer = (struct timer){.fn = on_timeout, .arg = a, .budget = u->budget};
	a->next = u->asks;
	if (u->asks)
		u->asks->prev = a;
	u->asks = a;
	u->n++;
	if (may_fly(u))
		begin_try(a, SOCK_DGRAM);
	else
		park(a);
	return 0;
}

/* ---- answers ------------------------------------------------------------- */

static void upstream_take(struct ask *a, const uint8_t *msg, size_t n)
{
	static struct dns_answer answer;

	if (dns_answer_parse(msg, n, a->id, &a->name, a->type, &answer) != WIRE_OK) {
		if (a->forgeries++ == 0)
			a->u->ops.spoofed(a->u->arg, &a->name, a->type);
		if (a->forgeries >= FORGERIES_MAX || a->socket_type == SOCK_STREAM)
			next_try(a);
		return;
	}
	if (answer.truncated) {
		if (a->socket_type == SOCK_DGRAM)
			begin_try(a, SOCK_STREAM);
		else
			next_try(a); /* cut even over TCP: unusable */
		return;
	}
	if (answer.rcode != DNS_NOERROR && answer.rcode != DNS_NXDOMAIN &&
	    a->tries + 1 < TRIES_MAX && a->u->n_servers > 1) {
		next_try(a); /* another server may answer */
		return;
	}
	upstream_finish(a, &answer);
}

static void tcp_in(struct ask *a)
{
	ssize_t n;
	size_t want;

	if (!a->in && !(a->in = malloc(2 + DNS_MAX_MESSAGE))) {
		next_try(a);
		return;
	}
	want = a->in_n < 2 ? 2 - a->in_n : 2 + ((size_t)a->in[0] << 8 | a->in[1]) - a->in_n;
	n = recv(a->watch.fd, a->in + a->in_n, want, MSG_DONTWAIT);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			next_try(a);
		return;
	}
	a->in_n += (size_t)n;
	if (a->in_n > 2 && a->in_n == 2 + ((size_t)a->in[0] << 8 | a->in[1]))
		upstream_take(a, a->in + 2, a->in_n - 2);
}

static bool send_query(struct ask *a)
{
	uint8_t buf[2 + 512];
	size_t n;

	if (getrandom(&a->id, sizeof(a->id), 0) != sizeof(a->id))
		return false;
	n = dns_query_build(buf + 2, sizeof(buf) - 2, a->id, &a->name, a->type);
	if (!n)
		return false;
	buf[0] = (uint8_t)(n >> 8);
	buf[1] = (uint8_t)n;
	if (a->socket_type == SOCK_STREAM)
		return send(a->watch.fd, buf, 2 + n, MSG_NOSIGNAL | MSG_DONTWAIT) ==
		       (ssize_t)(2 + n);
	return send(a->watch.fd, buf + 2, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;
}

static void on_socket(struct watch *w, uint32_t events)
{
	static uint8_t msg[65536];
	struct ask *a = w->arg;
	ssize_t n;

	if (!a->sent) {
		a->sent = send_query(a);
		if (!a->sent || loop_mod(a->u->loop, w, EPOLLIN) < 0)
			next_try(a);
		return;
	}
	if (a->socket_type == SOCK_STREAM) {
		tcp_in(a);
		return;
	}
	n = recv(w->fd, msg, sizeof(msg), MSG_DONTWAIT);
	if (n >= 0)
		upstream_take(a, msg, (size_t)n);
	else if (errno != EAGAIN)
		next_try(a); /* nobody listens there */
}

void upstream_socket(struct upstream *u, unsigned server, int type, int fd)
{
	struct ask *a = u->waiting.first;

	while (a && (a->server != server || a->socket_type != type))
		a = a->queue_next;
	if (!a) {
		if (fd >= 0)
			close(fd);
		return;
	}
	queue_leave(a);
	a->watch = (struct watch){.fd = fd, .fn = on_socket, .arg = a, .budget = u->budget};
	if (fd < 0 || loop_add(u->loop, &a->watch, type == SOCK_STREAM ? EPOLLOUT : EPOLLIN) < 0) {
		next_try(a);
		return;
	}
	if (type == SOCK_DGRAM) {
		a->sent = send_query(a);
		if (!a->sent)
			next_try(a);
	}
}
