// SPDX-License-Identifier: GPL-2.0-or-later
/* Steps that somebody outside the fence takes; see outsiders.c. */
#include "tests/lab/escape/steps.h"
#include "tests/lab/escape/values.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS 100

static const char *const places[2] = {"outsiders", "fenced"};

int escape_meet(struct worker *w, const char *dir)
{
	pthread_mutex_init(&w->asking, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct sockaddr_un a = {.sun_family = AF_UNIX};

		w->meeting[i] = dir ? socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) : -1;
		if (!dir)
			continue;
		if (snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, places[i]) >=
			(int)sizeof(a.sun_path) ||
		    connect(w->meeting[i], (struct sockaddr *)&a, sizeof(a)))
			return -1;
	}
	return 0;
}

/* 0, or -1 and errno. */
static int ask(struct worker *w, bool fenced, const struct escape_request *r)
{
	const int fd = w->meeting[fenced];
	struct pollfd p = {fd, POLLIN, 0};
	int32_t e = 0;

	pthread_mutex_lock(&w->asking);
	while (recv(fd, &e, sizeof(e), MSG_DONTWAIT) > 0)
		; /* answers that came too late */
	e = -ETIMEDOUT;
	if (send(fd, r, sizeof(*r), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(*r) &&
	    poll(&p, 1, ANSWER_MS) == 1)
		(void)!recv(fd, &e, sizeof(e), MSG_DONTWAIT);
	w->came[fenced] = r->guest < ESCAPE_GUESTS && (w->came[fenced] || r->open);
	pthread_mutex_unlock(&w->asking);
	errno = -e;
	return e ? -1 : 0;
}

/* The port of a socket of the fence's, which is closed, for somebody else: at the same address, at
 * all, or at another one. */
static int give(struct worker *w, struct slot *t, const struct escape_step *s,
		struct escape_request *r)
{
	struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)&r->at;
	struct sockaddr_in *a4 = (struct sockaddr_in *)&r->at;
	socklen_t n = sizeof(r->at);
	in_port_t port;

	if (getsockname(t->fd, (struct sockaddr *)&r->at, &n) || !a4->sin_port)
		return -1;
	port = a4->sin_port; /* the same place in both */
	r->type = t->type;
	if (s->wait)
		escape_reset(t);
	else
		escape_drop(t);
	if (s->value % 4 == 2 && r->at.ss_family == AF_INET)
		a4->sin_addr.s_addr = 0;
	else if (s->value % 4 == 2)
		a6->sin6_addr = in6addr_any;
	else if (s->value % 4 == 3)
		escape_address(w->own_port, &s->to, t->v6, &r->at);
	a4->sin_port = port;
	return ask(w, s->fenced, r);
}

int escape_others(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct escape_request r = {.open = s->op != OP_LEAVE,
				   .guest = s->guest,
				   .type = s->type,
				   .sure = !s->async,
				   .step = (uint8_t)(s - w->steps),
				   .program = w->program,
				   .client = s->client,
				   .v6only = s->value & 1};

	if (w->meeting[s->fenced] < 0)
		return -1;
	if (s->op == OP_GIVE)
		return give(w, t, s, &r);
	escape_address(w->own_port, &s->to, s->v6, &r.at);
	escape_address(w->own_port, &s->peer, s->v6, &r.peer);
	return ask(w, s->fenced, &r);
}

void escape_others_leave(struct worker *w)
{
	for (unsigned fenced = 0; fenced < 2; fenced++)
		if (w->came[fenced])
			ask(w, fenced, &(struct escape_request){.guest = ESCAPE_GUESTS});
}
