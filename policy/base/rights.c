// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/base/rights.h"

#include <stdio.h>

#include "policy/base/cleanup.h"

const char *rights_words(uint32_t rights, char buf[RIGHTS_STRLEN])
{
	static const char *const words[] = {"read", "write", "exec", "socket", "signal", "other"};
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (rights & 1u << i)
			n += (size_t)snprintf(buf + n, RIGHTS_STRLEN - n, "%s%s", n ? ", " : "",
					      words[i]);
	return buf;
}
