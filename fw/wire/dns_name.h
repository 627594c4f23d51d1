/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names as they are on the wire (RFC 1035 §3.1), for the files of dns.h only. */
#ifndef AGENTFW_WIRE_DNS_NAME_H
#define AGENTFW_WIRE_DNS_NAME_H

#include "fw/wire/cursor.h"
#include "policy/base/name.h"

#define WIRE_NAME_MAX 255

/* Uncompressed, with the root's zero at the end, in lower case. */
struct wire_name {
	uint8_t n;
	uint8_t b[WIRE_NAME_MAX];
};

/* Reads a name at c, which is inside msg, and moves c past it. A pointer must lead to before the
 * name, and to before the last pointer's place: strictly backwards, so there is no loop. false:
 * malformed. */
bool wire_name_read(struct slice msg, struct cursor *c, struct wire_name *ret);
/* The same for a name that may not be compressed. */
bool wire_name_read_plain(struct cursor *c, struct wire_name *ret);
bool wire_name_equal(const struct wire_name *a, const struct wire_name *b);
/* Is n equal to or below zone? */
bool wire_name_within(const struct wire_name *n, const struct wire_name *zone);

void wire_name_of(const struct name *name, struct wire_name *ret);
/* false: no host name (the root, dots or other bytes inside a label). */
bool wire_name_to_name(const struct wire_name *w, struct name *ret);
/* Escaped for people: \DDD, and a backslash before dots inside labels (RFC 4343 §2.1). */
void wire_name_show(const struct wire_name *w, char ret[256 * 4]);

#endif
