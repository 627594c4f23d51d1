/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS messages for tests, written byte by byte: nothing of fw/wire is used, so that what it builds
 * and reads is held against something else. */
#ifndef AGENTFW_TESTS_DNS_MSG_H
#define AGENTFW_TESTS_DNS_MSG_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct msg {
	size_t n;
	uint8_t b[4096];
};

static inline void msg_put(struct msg *m, const void *bytes, size_t n)
{
	memcpy(m->b + m->n, bytes, n);
	m->n += n;
}

static inline void msg_u16(struct msg *m, unsigned value)
{
	msg_put(m, (const uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

/* "": the root. */
static inline void msg_name(struct msg *m, const char *text)
{
	while (*text) {
		uint8_t size = (uint8_t)strcspn(text, ".");

		msg_put(m, &size, 1);
		msg_put(m, text, size);
		text += size + (text[size] == '.');
	}
	msg_put(m, "", 1);
}

static inline void msg_header(struct msg *m, unsigned id, unsigned flags, unsigned questions,
			      unsigned answers, unsigned additionals)
{
	m->n = 0;
	msg_u16(m, id);
	msg_u16(m, flags);
	msg_u16(m, questions);
	msg_u16(m, answers);
	msg_u16(m, 0);
	msg_u16(m, additionals);
}

static inline void msg_question(struct msg *m, const char *name, unsigned type, unsigned class)
{
	msg_name(m, name);
	msg_u16(m, type);
	msg_u16(m, class);
}

static inline void msg_record(struct msg *m, const char *owner, unsigned type, uint32_t ttl_s,
			      const void *rdata, size_t n)
{
	msg_question(m, owner, type, 1);
	msg_u16(m, ttl_s >> 16);
	msg_u16(m, ttl_s & 0xffff);
	msg_u16(m, (unsigned)n);
	msg_put(m, rdata, n);
}

static inline void msg_cname(struct msg *m, const char *owner, const char *target, uint32_t ttl_s)
{
	struct msg t = {0};

	msg_name(&t, target);
	msg_record(m, owner, 5, ttl_s, t.b, t.n);
}

static inline void msg_opt(struct msg *m, unsigned udp_bytes)
{
	msg_question(m, "", 41, udp_bytes);
	msg_put(m, "\0\0\0\0\0\0", 6);
}

/* Where a name without pointers (or with one at its end) is over; 0: not inside m. */
static inline size_t msg_skip_name(const struct msg *m, size_t at)
{
	while (at < m->n && m->b[at] && m->b[at] < 64)
		at += 1 + (size_t)m->b[at];
	if (at >= m->n)
		return 0;
	return at + (m->b[at] ? 2 : 1);
}

static inline unsigned msg_u16_at(const struct msg *m, size_t at)
{
	return at + 2 <= m->n ? (unsigned)m->b[at] << 8 | m->b[at + 1] : 0;
}

/* The question's name as text with dots, lower or upper case as it is; returns its type. */
static inline unsigned msg_asked(const struct msg *m, char name[256])
{
	size_t end = msg_skip_name(m, 12), n = 0;

	for (size_t at = 12; at < end && m->b[at]; at += 1 + (size_t)m->b[at]) {
		if (n)
			name[n++] = '.';
		memcpy(name + n, m->b + at + 1, m->b[at]);
		n += m->b[at];
	}
	name[n] = '\0';
	return msg_u16_at(m, end);
}

/* Begins an answer to the query q, with its id and its question. */
static inline void msg_answer(struct msg *m, const struct msg *q, unsigned flags, unsigned answers)
{
	size_t end = msg_skip_name(q, 12) + 4;

	msg_header(m, msg_u16_at(q, 0), flags, 1, answers, 0);
	msg_put(m, q->b + 12, end - 12);
}

#endif
