// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -code;
	e->code = code;
	e->hint[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return -code;
}

int err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
	return -e->code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char prefix[256], rest[sizeof(e->msg)];
	va_list ap;

	if (!e)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	memcpy(rest, e->msg, sizeof(rest));
	snprintf(e->msg, sizeof(e->msg), "%s: %.*s", prefix, (int)(sizeof(rest) - 258), rest);
	return -e->code;
}

const char *str_escape(char *dst, size_t dst_bytes, const void *src, size_t src_bytes)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = src;
	size_t n = 0;

	if (!dst_bytes)
		return dst;
	for (size_t i = 0; i < src_bytes; i++) {
		size_t need = p[i] == '\\' ? 2 : p[i] >= 0x20 && p[i] < 0x7f ? 1 : 4;

		if (n + need >= dst_bytes)
			break;
		if (need != 1)
			dst[n++] = '\\';
		if (need == 4) {
			dst[n++] = 'x';
			dst[n++] = hex[p[i] >> 4];
			dst[n++] = hex[p[i] & 15];
		} else {
			dst[n++] = (char)p[i];
		}
	}
	dst[n] = '\0';
	return dst;
}

/* The bytes of the UTF-8 character at p (RFC 3629); 0: it is none. The text ends with a NUL. */
static size_t utf8(const unsigned char *p)
{
	size_t n = *p < 0x80   ? 1
		   : *p < 0xc2 ? 0
		   : *p < 0xe0 ? 2
		   : *p < 0xf0 ? 3
		   : *p < 0xf5 ? 4
			       : 0;

	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* Characters that change the direction of text, or begin a line: U+061C, U+200E and U+200F, U+2028 to
 * U+202E, U+2066 to U+2069. */
static bool turns_text(const unsigned char *p)
{
	return (p[0] == 0xd8 && p[1] == 0x9c) ||
	       (p[0] == 0xe2 && p[1] == 0x80 &&
		(p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae))) ||
	       (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

/* How many bytes at p must not be printed. Control characters of 0x80 to 0x9f are two bytes in UTF-8;
 * terminals without UTF-8 obey them as one byte. */
static size_t control(const unsigned char *p)
{
	size_t n = utf8(p);

	if (n == 0 || (n == 1 && (*p < 0x20 || *p == 0x7f)))
		return 1;
	if (n == 2 && p[0] == 0xc2 && p[1] <= 0x9f)
		return 2;
	return turns_text(p) ? n : 0;
}

const char *str_clean(char *dst, size_t dst_bytes, const char *src)
{
	const unsigned char *p = (const unsigned char *)src;
	size_t n = 0;

	if (!dst_bytes)
		return dst;
	while (*p) {
		size_t bad = control(p), bytes = bad ? bad : utf8(p), need = bad ? 4 * bad : bytes;

		if (n + need >= dst_bytes)
			break;
		if (bad)
			str_escape(dst + n, dst_bytes - n, p, bad);
		else
			memcpy(dst + n, p, bytes);
		n += need;
		p += bytes;
	}
	dst[n] = '\0';
	return dst;
}

/* The character at p as it is written between quotes; ret_used: its bytes. */
static const char *quoted(const unsigned char *p, char buf[20], size_t *ret_used)
{
	size_t bad = control(p);

	*ret_used = bad ? bad : utf8(p);
	if (bad)
		return str_escape(buf, 20, p, bad);
	if (*p == '\'')
		return "'\\''";
	memcpy(buf, p, *ret_used);
	buf[*ret_used] = '\0';
	return buf;
}

const char *str_word(char *dst, size_t dst_bytes, const char *src)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "/._-+:,@%=";
	const char *quote = src[0] && !src[strspn(src, plain)] ? "" : "'";
	size_t n = (size_t)snprintf(dst, dst_bytes, "%s", quote), used;
	const unsigned char *p = (const unsigned char *)src;
	char buf[20];

	for (; *p && n < dst_bytes; p += used)
		n += (size_t)snprintf(dst + n, dst_bytes - n, "%s", quoted(p, buf, &used));
	if (n < dst_bytes)
		n += (size_t)snprintf(dst + n, dst_bytes - n, "%s", quote);
	if (n >= dst_bytes)
		dst[0] = '\0';
	return dst;
}
