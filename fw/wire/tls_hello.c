// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/wire/tls_hello.h"

#include <string.h>

#define EXT_SERVER_NAME 0
#define EXTENSIONS_MAX  128 /* about 70 are registered; the search for duplicates is quadratic */

/* The final number, and those of drafts and ESNI, which a server may still accept. */
static bool is_ech(uint16_t type)
{
	return (type >= 0xfe08 && type <= 0xfe0d) || (type >= 0xff02 && type <= 0xff0f) ||
	       type == 0xffce || type == 0xfd00;
}

/* One host_name and nothing else: of two, the server could take the other one. */
static bool parse_server_name(struct cursor ext, struct tls_hello *ret)
{
	struct cursor list;
	struct slice name;
	uint16_t size;
	uint8_t type;

	if (!cursor_u16(&ext, &size) || !cursor_sub(&ext, size, &list) || cursor_left(&ext))
		return false;
	if (!cursor_u8(&list, &type) || type != 0 || !cursor_u16(&list, &size) ||
	    !cursor_slice(&list, size, &name) || cursor_left(&list))
		return false;
	if (name.n == 0 || name.n >= sizeof(ret->sni))
		return false;
	memcpy(ret->sni, name.p, name.n);
	ret->sni[name.n] = '\0';
	ret->sni_len = name.n;
	return true;
}

static bool parse_extensions(struct cursor list, struct tls_hello *ret)
{
	uint16_t seen[EXTENSIONS_MAX];
	size_t n_seen = 0;

	while (cursor_left(&list)) {
		struct cursor ext;
		uint16_t type, size;

		if (!cursor_u16(&list, &type) || !cursor_u16(&list, &size) ||
		    !cursor_sub(&list, size, &ext) || n_seen == EXTENSIONS_MAX)
			return false;
		for (size_t i = 0; i < n_seen; i++)
			if (seen[i] == type)
				return false;
		seen[n_seen++] = type;
		if (type == EXT_SERVER_NAME && !parse_server_name(ext, ret))
			return false;
		ret->ech |= is_ech(type);
	}
	return true;
}

/* The message's body, RFC 8446 §4.1.2. Without extensions (RFC 5246) it ends early. */
bool tls_hello_parse(struct cursor c, struct tls_hello *ret)
{
	uint8_t major, minor, size8;
	uint16_t size;
	struct cursor extensions;

	if (!cursor_u8(&c, &major) || major != 3 || !cursor_u8(&c, &minor) || !cursor_skip(&c, 32))
		return false;
	if (!cursor_u8(&c, &size8) || size8 > 32 || !cursor_skip(&c, size8))
		return false;
	if (!cursor_u16(&c, &size) || size < 2 || size % 2 || !cursor_skip(&c, size))
		return false;
	if (!cursor_u8(&c, &size8) || size8 < 1 || !cursor_skip(&c, size8))
		return false;
	if (cursor_left(&c) == 0)
		return true;
	if (!cursor_u16(&c, &size) || !cursor_sub(&c, size, &extensions) || cursor_left(&c))
		return false;
	return parse_extensions(extensions, ret);
}
