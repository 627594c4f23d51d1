// SPDX-License-Identifier: GPL-2.0-or-later

#include "agentctl/box/build.h"

#include <stdarg.h>
#include <stdio.h>

#include "policy/base/err.h"
#include "policy/profile.h"

int build_error(struct build *b, const struct profile_path *path, int code, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(b->e, code, "%s:%u:%u: %s: %s: %s", b->b->policy_path, path->line, path->col,
		       profile_list(path->right), path->path, what);
}
