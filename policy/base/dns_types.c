// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/base/dns_types.h"

#include <stdio.h>

static const struct {
	uint16_t type;
	enum dns_question asks;
	const char *name;
} types[] = {
#define TYPE(name, number, asks) {number, DNS_ASKS_##asks, #name},
    DNS_TYPES(TYPE)
#undef TYPE
};

#define TYPES_N (sizeof(types) / sizeof(types[0]))

enum dns_question dns_type_asks(uint16_t type)
{
	for (size_t i = 0; i < TYPES_N; i++)
		if (types[i].type == type)
			return types[i].asks;
	return DNS_ASKS_NOBODY;
}

size_t dns_type_address_bytes(uint16_t type)
{
	switch (dns_type_asks(type)) {
	case DNS_ASKS_ADDRESS4:
		return 4;
	case DNS_ASKS_ADDRESS6:
		return 16;
	case DNS_ASKS_NOBODY:
	case DNS_ASKS_SERVICE:
		break;
	}
	return 0;
}

const char *dns_type_name(uint16_t type, char buf[DNS_TYPE_STRLEN])
{
	for (size_t i = 0; i < TYPES_N; i++)
		if (types[i].type == type)
			return types[i].name;
	snprintf(buf, DNS_TYPE_STRLEN, "TYPE%u", type);
	return buf;
}
