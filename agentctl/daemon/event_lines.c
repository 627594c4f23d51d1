// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/daemon/event_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int event_lines_begin(struct event_lines *l, int fd)
{
	*l = (struct event_lines){.fd = fd, .buf = malloc(EVENT_LINE_MAX)};
	return l->buf ? 0 : -ENOMEM;
}

void event_lines_done(struct event_lines *l)
{
	free(l->buf);
	l->buf = NULL;
}

/* false: there is nothing more to read. */
static bool fill(struct event_lines *l)
{
	ssize_t n;

	memmove(l->buf, l->buf + l->at, l->n - l->at);
	l->n -= l->at;
	l->at = 0;
	if (l->n == EVENT_LINE_MAX) {
		l->over = true;
		l->n = 0;
	}
	do
		n = read(l->fd, l->buf + l->n, EVENT_LINE_MAX - l->n);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		l->error = errno;
	l->n += n > 0 ? (size_t)n : 0;
	return n > 0;
}

enum event_line event_lines_next(struct event_lines *l, bool last, const char **ret, size_t *ret_n)
{
	for (;;) {
		char *line = l->buf + l->at, *end = memchr(line, '\n', l->n - l->at);
		bool over;

		if (!end && fill(l))
			continue;
		line = l->buf + l->at;
		if (!end && (!last || (l->n == l->at && !l->over)))
			return EVENT_LINE_NONE;
		*ret = line;
		*ret_n = end ? (size_t)(end - line) : l->n - l->at;
		l->at += *ret_n + (end != NULL);
		over = l->over;
		l->over = false;
		return over ? EVENT_LINE_LONG : EVENT_LINE;
	}
}
