// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/check/doctor.h"

#include <stdarg.h>
#include <stdio.h>

struct check *check_add(struct checks *c, const char *name, bool found, bool needed,
			const char *fmt, ...)
{
	struct check *k = &c->list[c->n < CHECKS_MAX ? c->n++ : CHECKS_MAX - 1];
	va_list ap;

	*k = (struct check){.name = name, .finding = found ? FOUND : LACKING, .needed = needed};
	va_start(ap, fmt);
	vsnprintf(k->text, sizeof(k->text), fmt, ap);
	va_end(ap);
	return k;
}

void check_hint(struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->hint, sizeof(c->hint), fmt, ap);
	va_end(ap);
}
