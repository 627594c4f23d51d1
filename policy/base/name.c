// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/base/name.h"

#include <stddef.h>
#include <string.h>

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool label_char(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

/* A last label that inet_aton would read as part of an address: digits, or 0x and hex digits. */
static bool numeric_label(const char *s, size_t n)
{
	size_t i = 0;

	if (n >= 2 && s[0] == '0' && s[1] == 'x') {
		for (i = 2; i < n; i++)
			if (!is_digit(s[i]) && !(s[i] >= 'a' && s[i] <= 'f'))
				return false;
		return true;
	}
	while (i < n && is_digit(s[i]))
		i++;
	return i == n;
}

static bool label_ok(const char *s, size_t n)
{
	if (n == 0 || n > NAME_LABEL_MAX || s[0] == '-' || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!label_char(s[i]))
			return false;
	return true;
}

bool name_canon(const char *text, size_t len, struct name *ret)
{
	struct name out;
	size_t start = 0;

	if (len && text[len - 1] == '.')
		len--;
	if (len == 0 || len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		out.s[i] = lower(text[i]);
	out.s[len] = '\0';
	out.len = (uint8_t)len;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && out.s[i] != '.')
			continue;
		if (!label_ok(out.s + start, i - start))
			return false;
		if (i == len && numeric_label(out.s + start, i - start))
			return false;
		start = i + 1;
	}
	*ret = out;
	return true;
}

void name_copy(struct name *to, const struct name *from)
{
	memcpy(to, from, offsetof(struct name, s) + from->len + 1);
}

bool name_equal(const struct name *a, const struct name *b)
{
	return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

bool name_below(const struct name *n, const struct name *suffix)
{
	size_t at;

	if (n->len < suffix->len + 2 || !suffix->len)
		return false;
	at = (size_t)n->len - suffix->len;
	return n->s[at - 1] == '.' && memcmp(n->s + at, suffix->s, suffix->len) == 0;
}

unsigned name_labels(const struct name *n)
{
	unsigned labels = n->len > 0;

	for (size_t i = 0; i < n->len; i++)
		labels += n->s[i] == '.';
	return labels;
}
