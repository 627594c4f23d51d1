/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lines of an events.jsonl, one after the other. The file may be an attacker's: memory and lines
 * are bounded. */
#ifndef AGENTFW_EVENT_LINES_H
#define AGENTFW_EVENT_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Three times the longest event: three paths, with every byte escaped. */
#define EVENT_LINE_MAX (256u << 10)

struct event_lines {
	int fd;       /* the caller's */
	char *buf;    /* owned */
	size_t n, at; /* in buf; where the next line begins */
	bool over;    /* the line is longer than EVENT_LINE_MAX, and its end not read yet */
	int error;    /* errno of a read */
};

enum event_line {
	EVENT_LINE,      /* whole, without its newline */
	EVENT_LINE_LONG, /* too long: not returned */
	EVENT_LINE_NONE, /* no more now; bytes without a newline wait for the rest */
};

int event_lines_begin(struct event_lines *l, int fd); /* -ENOMEM */
void event_lines_done(struct event_lines *l);
/* *ret lasts until the next call. last: the end of the file ends a line, too. */
enum event_line event_lines_next(struct event_lines *l, bool last, const char **ret, size_t *ret_n);

#endif
