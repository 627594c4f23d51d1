// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/base/quote.h"

#include <string.h>

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* What no reader of YAML takes for more than text: neither a sign of its own nor the end of it. */
static bool is_plain(const char *s, bool flow)
{
	size_t n = strlen(s);

	return n && strchr(ALNUM "/_", s[0]) && s[n - 1] != ':' &&
	       s[strspn(s, flow ? ALNUM "/._+~$@%=-" : ALNUM "/._+~$@%=-:")] == '\0';
}

const char *quote_scalar(const char *s, bool flow, char *buf, size_t bytes)
{
	bool plain = is_plain(s, flow);
	size_t at = 0;

	if (2 * strlen(s) + 3 > bytes)
		return NULL;
	if (!plain)
		buf[at++] = '"';
	for (; *s; s++) {
		if (*s < 0x20 || *s > 0x7e)
			return NULL;
		if (*s == '"' || *s == '\\')
			buf[at++] = '\\';
		buf[at++] = *s;
	}
	if (!plain)
		buf[at++] = '"';
	buf[at] = '\0';
	return buf;
}
