// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/dns/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fw/ipc/budget.h"

#define UDP_BATCH       256  /* queries per turn of the loop */
#define UDP_QUERY_MAX   4096 /* longer ones are dropped */
#define CONNECTIONS_MAX 256  /* per fence; the oldest goes first */
#define TCP_IN_MAX      (2 + 4096)
#define TCP_ASKED_MAX   8           /* unanswered questions per connection; the rest waits */
#define TCP_OUT_HIGH    (16 * 1024) /* bytes of unread replies; beyond this the rest waits, too */
#define TCP_OUT_MAX     (TCP_OUT_HIGH + TCP_ASKED_MAX * 8192) /* no reply is longer than that */
#define TCP_IDLE_MS     10000

struct connection {
	struct connection *next;
	struct dns_server *server;
	struct watch watch;
	struct timer idle;
	struct dns_client client;
	uint8_t in[TCP_IN_MAX];
	size_t in_n;
	uint8_t *out;
	size_t out_n, out_room;
	unsigned asked; /* questions without reply */
	uint32_t events;
	bool ended; /* the client sends no more; replies may still go */
	bool dead;  /* freed when its callback is over */
	bool busy;
};

struct dns_server {
	struct loop *loop;
	dns_query_fn fn;
	void *arg;
	struct budget *budget;
	struct watch udp[2], tcp[2]; /* IPv4, IPv6 */
	struct connection *connections;
	size_t n_connections;
	uint64_t last_connection;
};

/* ---- UDP ----------------------------------------------------------------- */

static void on_udp(struct watch *w, uint32_t events)
{
	struct dns_server *s = w->arg;
	uint8_t msg[UDP_QUERY_MAX];

	for (int i = 0; i < UDP_BATCH && w->active && budget_left(s->budget); i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		ssize_t n = recvfrom(w->fd, msg, sizeof(msg), MSG_DONTWAIT | MSG_TRUNC,
				     (struct sockaddr *)&ss, &len);
		struct dns_client c = {.v6 = w == &s->udp[1]};

		if (n < 0)
			return;
		if ((size_t)n <= sizeof(msg) &&
		    addr_from_sockaddr((struct sockaddr *)&ss, &c.addr, &c.port))
			s->fn(s->arg, &c, msg, (size_t)n);
	}
}

static void udp_reply(struct dns_server *s, const struct dns_client *c, const uint8_t *msg,
		      size_t n)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&c->addr, c->port, &ss);

	if (s->udp[c->v6].active)
		(void)!sendto(s->udp[c->v6].fd, msg, n, MSG_DONTWAIT, (struct sockaddr *)&ss, len);
}

/* ---- TCP ----------------------------------------------------------------- */

static void connection_free(struct connection *c)
{
	struct dns_server *s = c->server;
	struct connection **at = &s->connections;

	if (c->busy) {
		c->dead = true;
		return;
	}
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	s->n_connections--;
	loop_del(s->loop, &c->watch);
	timer_cancel(s->loop, &c->idle);
	close(c->watch.fd);
	free(c->out);
	free(c);
}

static void on_idle(struct timer *t)
{
	connection_free(t->arg);
}

/* A whole message in the buffer, or a length that is too large. */
static bool has_message(const struct connection *c)
{
	size_t n = c->in_n < 2 ? 0 : (size_t)c->in[0] << 8 | c->in[1];

	return c->in_n >= 2 && (n > TCP_IN_MAX - 2 || c->in_n >= 2 + n);
}

static bool may_ask(const struct connection *c)
{
	return c->asked < TCP_ASKED_MAX && c->out_n < TCP_OUT_HIGH;
}

/* epoll does not report what has been read already. So a connection with a message that had to wait
 * waits for EPOLLOUT, which comes in the next turn. */
static void watch_again(struct connection *c)
{
	bool message = has_message(c), ask = may_ask(c);
	uint32_t events = (c->out_n || (message && ask) ? EPOLLOUT : 0) |
			  (!message && ask && !c->ended ? EPOLLIN : 0);

	if (c->ended && !message && !c->asked && !c->out_n)
		c->dead = true;
	if (c->dead || events == c->events)
		return;
	c->events = events;
	if (loop_mod(c->server->loop, &c->watch, events) < 0)
		c->dead = true;
}

/* Handles the whole messages in the buffer, as far as limits allow; queries may come pipelined and
 * in pieces. */
static void handle_in(struct connection *c)
{
	struct dns_server *s = c->server;

	while (!c->dead && has_message(c) && may_ask(c) && budget_left(s->budget)) {
		size_t n = (size_t)c->in[0] << 8 | c->in[1];

		if (n > TCP_IN_MAX - 2) {
			c->dead = true;
			return;
		}
		c->asked++;
		if (!s->fn(s->arg, &c->client, c->in + 2, n))
			c->asked--;
		c->in_n -= 2 + n;
		memmove(c->in, c->in + 2 + n, c->in_n);
	}
}

static void flush(struct connection *c)
{
	ssize_t n = send(c->watch.fd, c->out, c->out_n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		c->dead = true;
		return;
	}
	if (n > 0) {
		c->out_n -= (size_t)n;
		memmove(c->out, c->out + n, c->out_n);
	}
	if (!c->out_n) { /* most connections have nothing to send at any time */
		free(c->out);
		c->out = NULL;
		c->out_room = 0;
	}
}

static void read_in(struct connection *c)
{
	ssize_t n = recv(c->watch.fd, c->in + c->in_n, sizeof(c->in) - c->in_n, MSG_DONTWAIT);

	if (n > 0) {
		c->in_n += (size_t)n;
		timer_set(c->server->loop, &c->idle, loop_now_ms(c->server->loop) + TCP_IDLE_MS);
	} else if (n == 0) {
		c->ended = true;
	} else if (errno != EAGAIN) {
		c->dead = true;
	}
}

static void on_connection(struct watch *w, uint32_t events)
{
	struct connection *c = w->arg;

	c->busy = true;
	if (events & (EPOLLHUP | EPOLLERR))
		c->dead = true;
	if (!c->dead && c->out_n)
		flush(c);
	if (!c->dead && events & EPOLLIN && !has_message(c))
		read_in(c);
	handle_in(c);
	watch_again(c);
	c->busy = false;
	if (c->dead)
		connection_free(c);
}

static void on_accept(struct watch *w, uint32_t events)
{
	struct dns_server *s = w->arg;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = accept4(w->fd, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *c, *oldest;

	if (fd < 0)
		return;
	for (oldest = s->connections; oldest && oldest->next; oldest = oldest->next)
		;
	if (s->n_connections >= CONNECTIONS_MAX && oldest)
		connection_free(oldest);
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	c->server = s;
	c->client = (struct dns_client){
	    .tcp = true, .v6 = w == &s->tcp[1], .connection = ++s->last_connection};
	addr_from_sockaddr((struct sockaddr *)&ss, &c->client.addr, &c->client.port);
	c->watch = (struct watch){.fd = fd, .fn = on_connection, .arg = c, .budget = s->budget};
	c->idle = (struct timer){.fn = on_idle, .arg = c, .budget = s->budget};
	c->events = EPOLLIN;
	c->next = s->connections;
	s->connections = c;
	s->n_connections++;
	if (loop_add(s->loop, &c->watch, EPOLLIN) < 0 ||
	    timer_set(s->loop, &c->idle, loop_now_ms(s->loop) + TCP_IDLE_MS) < 0)
		connection_free(c);
}

/* false: no room. The connection ends, for a cut reply would break its framing. */
static bool put_out(struct connection *c, const uint8_t *bytes, size_t n)
{
	if (c->out_n + n > c->out_room) {
		size_t room = c->out_n + n + 1024;
		uint8_t *out = room <= TCP_OUT_MAX ? realloc(c->out, room) : NULL;

		if (!out) {
			c->dead = true;
			return false;
		}
		c->out = out;
		c->out_room = room;
	}
	memcpy(c->out + c->out_n, bytes, n);
	c->out_n += n;
	return true;
}

static void tcp_reply(struct dns_server *s, const struct dns_client *client, const uint8_t *msg,
		      size_t n)
{
	const uint8_t prefix[2] = {(uint8_t)(n >> 8), (uint8_t)n};
	struct connection *c = s->connections;

	while (c && c->client.connection != client->connection)
		c = c->next;
	if (!c)
		return;
	c->asked--;
	if (!c->dead && n <= 65535 && put_out(c, prefix, sizeof(prefix)) && put_out(c, msg, n))
		flush(c);
	if (c->busy)
		return;
	watch_again(c);
	if (c->dead)
		connection_free(c);
}

void dns_server_reply(struct dns_server *s, const struct dns_client *c, const uint8_t *msg,
		      size_t n)
{
	if (c->tcp)
		tcp_reply(s, c, msg, n);
	else
		udp_reply(s, c, msg, n);
}

/* ---- life ---------------------------------------------------------------- */

int dns_server_new(struct loop *loop, int udp4, int tcp4, int udp6, int tcp6, dns_query_fn fn,
		   void *arg, struct budget *budget, struct dns_server **ret)
{
	struct dns_server *s = calloc(1, sizeof(*s));
	int r = s ? 0 : -ENOMEM;
	const int fds[] = {udp4, udp6, tcp4, tcp6};

	for (size_t i = 0; i < 4; i++) {
		if (s) {
			struct watch *w = i < 2 ? &s->udp[i] : &s->tcp[i - 2];

			*w = (struct watch){.fd = fds[i],
					    .fn = i < 2 ? on_udp : on_accept,
					    .arg = s,
					    .budget = budget};
			if (fds[i] >= 0 && r == 0)
				r = loop_add(loop, w, EPOLLIN);
		} else if (fds[i] >= 0) {
			close(fds[i]);
		}
	}
	if (!s)
		return r;
	s->loop = loop;
	s->budget = budget;
	s->fn = fn;
	s->arg = arg;
	if (r < 0) {
		dns_server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void dns_server_free(struct dns_server *s)
{
	if (!s)
		return;
	while (s->connections) {
		s->connections->busy = false;
		connection_free(s->connections);
	}
	for (size_t i = 0; i < 2; i++) {
		loop_del(s->loop, &s->udp[i]);
		loop_del(s->loop, &s->tcp[i]);
		if (s->udp[i].fd >= 0)
			close(s->udp[i].fd);
		if (s->tcp[i].fd >= 0)
			close(s->tcp[i].fd);
	}
	free(s);
}
