// SPDX-License-Identifier: GPL-2.0-or-later
/* The line of a profile that would let a refused thing pass. A person may paste it without a second
 * thought, so there is none for protected places. */
#include "agentctl/seen/suggest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agentctl/confine/plan.h"
#include "policy/base/cleanup.h"
#include "policy/base/path.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

/* Places of the box's own, hidden and denied ones. */
static bool closed(const struct plan *p, const char *path)
{
	if (path_below(path, "/proc") || path_below(path, "/dev"))
		return true;
	for (size_t i = 0; i < p->n; i++) {
		const struct step *s = &p->step[i];

		if ((s->kind == STEP_HIDE || s->kind == STEP_DENY || s->kind == STEP_TMPFS) &&
		    path_below(path, s->path))
			return true;
	}
	return false;
}

const char *suggest_yaml(const char *path, char *buf, size_t bytes)
{
	size_t n = strlen(path), at = 0;
	bool quote =
	    path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			      "/._+~$@%=-")] != '\0';

	if (n > POLICY_PATH_MAX || 2 * n + 3 > bytes || path[0] != '/' || !path[1] ||
	    strpbrk(path, "*?["))
		return NULL;
	if (quote)
		buf[at++] = '"';
	for (size_t i = 0; i < n; i++) {
		if (path[i] < 0x20 || path[i] > 0x7e)
			return NULL;
		if (quote && strchr("\"\\", path[i]))
			buf[at++] = '\\';
		buf[at++] = path[i];
	}
	if (quote)
		buf[at++] = '"';
	buf[at] = '\0';
	return buf;
}

const char *suggest_path(const struct plan *p, const char *tool, uint32_t rights, const char *path,
			 char *buf, size_t bytes)
{
	static const enum right all[] = {RIGHT_READ, RIGHT_WRITE, RIGHT_EXEC};
	char shown[2 * POLICY_PATH_MAX + 3];
	const char *comma = "";
	size_t n;

	if (!rights || rights & ~RIGHTS_FILE || !suggest_yaml(path, shown, sizeof(shown)) ||
	    protected_place_of(path) || closed(p, path))
		return NULL;
	n = (size_t)snprintf(buf, bytes, tool ? "tools: {%s: {" : "agent: {", tool);
	for (size_t i = 0; i < ARRAY_SIZE(all) && n < bytes; i++) {
		bool broad = all[i] == RIGHT_EXEC && profile_is_interpreter(path);

		if (!(rights & all[i]))
			continue;
		n += (size_t)snprintf(buf + n, bytes - n,
				      broad ? "%s%s: [{path: %s, broad: true}]" : "%s%s: [%s]",
				      comma, profile_list(all[i]), shown);
		comma = ", ";
	}
	if (n < bytes)
		n += (size_t)snprintf(buf + n, bytes - n, tool ? "}}" : "}");
	return n < bytes ? buf : NULL;
}
