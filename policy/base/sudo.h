/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who called sudo, where root was made so. */
#ifndef AGENTFW_BASE_SUDO_H
#define AGENTFW_BASE_SUDO_H

#include <stdint.h>
#include <stdlib.h>

#define NOBODY_ID 65534

/* The number in SUDO_UID or SUDO_GID; other where there is none, or root's. */
static inline unsigned sudo_id(const char *variable, unsigned other)
{
	const char *s = getenv(variable);
	char *end = NULL;
	unsigned long n = s && *s >= '0' && *s <= '9' ? strtoul(s, &end, 10) : 0;

	return end && !*end && n > 0 && n < UINT32_MAX ? (unsigned)n : other;
}

#endif
