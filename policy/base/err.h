/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An error as it travels up: a message for a person, and what to do about it.
 *
 * A function that can fail in a way a person caused takes `struct err *e` as its last parameter,
 * returns 0 or -errno, and leaves *e untouched on success. e may be NULL. Messages are lower case,
 * without a full stop: "cannot open '%s': %s". Only a main program prints them. */
#ifndef AGENTFW_BASE_ERR_H
#define AGENTFW_BASE_ERR_H

#include <stddef.h>

struct err {
	int code; /* positive errno, 0: none set */
	char msg[512];
	char hint[512]; /* empty: none */
};

/* Sets the message (hint cleared) and returns -code. A message too long is cut. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Adds what to do about it; returns -e->code (or -EINVAL where e is NULL). */
int err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "prefix: " before the message; returns -e->code. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Writes src escaped for a terminal or a log line into dst (always terminated): printable ASCII
 * stays, everything else becomes \xNN, a backslash \\. Returns dst. */
const char *str_escape(char *dst, size_t dst_bytes, const void *src, size_t src_bytes);
/* The same for text that people read: letters of other scripts, in UTF-8, stay, too. Only what a
 * terminal obeys is escaped: control characters, characters that turn the direction of text, and
 * bytes that are no UTF-8; a backslash stays. */
const char *str_clean(char *dst, size_t dst_bytes, const char *src);
/* src as one word for a shell, in a line that people may copy: quoted where a shell needs it, and
 * cleaned as above. Empty where it does not fit. */
const char *str_word(char *dst, size_t dst_bytes, const char *src);

#endif
