// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/base/err.h"

#include <errno.h>
#include <stdarg.h>
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

/* Control characters: in UTF-8 those of 0x80 to 0x9f are two bytes. */
static size_t control(const unsigned char *p)
{
	if (*p < 0x20 || *p == 0x7f)
		return 1;
	return *p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f ? 2 : 0;
}

const char *str_clean(char *dst, size_t dst_bytes, const char *src)
{
	const unsigned char *p = (const unsigned char *)src;
	size_t n = 0;

	if (!dst_bytes)
		return dst;
	while (*p) {
		size_t bytes = control(p), need = bytes ? 4 * bytes : 1;

		if (n + need >= dst_bytes)
			break;
		if (bytes)
			str_escape(dst + n, dst_bytes - n, p, bytes);
		else
			dst[n] = (char)*p;
		n += need;
		p += bytes ? bytes : 1;
	}
	dst[n] = '\0';
	return dst;
}
