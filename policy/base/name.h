/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A DNS name in the one form in which names are compared, logged and stored: lower case, ASCII,
 * labels joined by dots, no trailing dot. */
#ifndef AGENTFW_BASE_NAME_H
#define AGENTFW_BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_MAX_LEN   253 /* RFC 1035 §2.3.4: 255 octets on the wire */
#define NAME_LABEL_MAX 63

struct name {
	uint8_t len; /* 0: no name */
	char s[NAME_MAX_LEN + 1];
};

/* Canonicalises text: lower-cases, takes off one trailing dot. Refuses (false) what is not a host
 * name: an empty name or label, two trailing dots, a label over 63 or a name over 253 bytes, any
 * byte but letters, digits, '-' and '_' (so also NUL, controls, non-ASCII, '*', ':' and '%'), a
 * label that begins or ends with '-', and text that is an IP address (a last label of digits only,
 * or 0x…). ret is written on success only. */
bool name_canon(const char *text, size_t len, struct name *ret);
void name_copy(struct name *to, const struct name *from); /* no more bytes than it has */
bool name_equal(const struct name *a, const struct name *b);
/* Is n strictly below suffix: "a.b.c" is below "b.c" and "c", not below itself. */
bool name_below(const struct name *n, const struct name *suffix);
unsigned name_labels(const struct name *n);

#endif
