// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/base/log.h"

#include <stdarg.h>
#include <stdio.h>

static const char *log_name = "agentfw";
static int log_verbose;

void log_init(const char *name, int verbose)
{
	log_name = name;
	log_verbose = verbose;
}

__attribute__((format(printf, 2, 0))) static void line(const char *level, const char *fmt,
						       va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	fprintf(stderr, "%s: %s%s\n", log_name, level, text);
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("", fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("warning: ", fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("", fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!log_verbose)
		return;
	va_start(ap, fmt);
	line("", fmt, ap);
	va_end(ap);
}
