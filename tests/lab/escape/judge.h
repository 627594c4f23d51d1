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

struct judge_counts {
	unsigned long long frames, canaries, leaks;
};

/* The table on stdin: see rules.py. */
void judge_read_table(void);
/* What came to the device `place` from outside. */
void judge_frame(const char *place, const uint8_t *data, size_t n);
/* Bytes that somebody got; an outsider may get them where outsider_ok says so, others by the table.
 */
bool judge(const struct where *w, const uint8_t *data, size_t n, bool outsider, bool outsider_ok);
/* A rule allows this listener outside the fence. */
bool judge_allowed_here(uint16_t port, bool tcp);
struct judge_counts judge_counted(void);
