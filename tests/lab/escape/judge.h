/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a payload of the escape fuzzer may arrive. Leaks are lines on stdout, for tests/net/escape:
 *
 *     LEAK CANARY|- WHAT PLACE PROTOCOL FROM PORT TO PORT syn|fragment|- SECONDS */
#pragma once

#include "tests/lab/escape/escape.h"

#include <stddef.h>

struct where {
	const char *place;
	uint8_t proto;
	struct in6_addr from, to;
	uint16_t sport, dport;
	bool fragment, syn;
};

/* The table on stdin: see rules.py. */
void judge_read_table(void);
/* What came to the device `place` from outside. */
void judge_frame(const char *place, const uint8_t *data, size_t n);
/* Bytes that somebody got; an outsider may get them where outsider_ok says so, others by the table.
 */
bool judge(const struct where *w, const uint8_t *data, size_t n, bool outsider, bool outsider_ok);
/* IPv4 is mapped; returns the port. */
uint16_t judge_take_address(const struct sockaddr_storage *s, struct in6_addr *ret);
/* The two ends of a socket; the peer is `from`. */
void judge_end_points(int fd, struct where *w);
/* A rule allows this service outside the fence, on its own machine. */
bool judge_allowed_here(const struct where *w);
/* The fence has no socket wall: an answer or an error may go to whoever has the source that was named. */
bool judge_unwalled(void);
/* A line of stdout: "seen FRAMES CANARIES LEAKS". */
void judge_tell_counts(void);
