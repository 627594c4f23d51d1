// SPDX-License-Identifier: GPL-2.0-or-later
/* What to write into a profile so that the same thing passes. A person may paste it without a
 * second thought, so nothing is said of places from which others take orders or secrets. */
#include "agentctl/seen/suggest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agentctl/confine/plan.h"
#include "policy/base/cleanup.h"
#include "policy/base/path.h"
#include "policy/base/quote.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

/* Places of the box's own, and those that it was told to keep closed. */
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

/* What can be written must not be run: no policy takes both of one place. */
static bool both(const struct plan *p, uint32_t rights, const char *path)
{
	bool write = rights & RIGHT_WRITE, exec = rights & RIGHT_EXEC;

	for (size_t i = 0; i < p->n; i++) {
		const struct step *s = &p->step[i];

		if (s->kind != STEP_BIND || s->implied)
			continue;
		if ((exec && s->arg == RIGHT_WRITE && path_below(path, s->path)) ||
		    (write && s->arg == RIGHT_EXEC && path_below(s->path, path)))
			return true;
	}
	return write && exec;
}

const char *suggest_yaml(const char *path, char *buf, size_t bytes)
{
	return profile_path_exact(path) && path[1] ? quote_scalar(path, true, buf, bytes) : NULL;
}

static unsigned depth(const char *path)
{
	unsigned n = 0;

	for (const char *p = path; *p; p++)
		n += *p == '/' && p[1];
	return n;
}

static bool is_home(const char *home, const char *dir)
{
	return (home && strcmp(dir, home) == 0) || strcmp(dir, "/root") == 0 ||
	       strcmp(dir, "/home") == 0 || (strncmp(dir, "/home/", 6) == 0 && depth(dir) == 2);
}

const char *suggest_too_much(const char *home, const char *dir)
{
	static const char *const everything[] = {"/usr",  "/etc",   "/var", "/boot",   "/dev",
						 "/proc", "/sys",   "/run", "/bin",    "/sbin",
						 "/lib",  "/lib64", "/tmp", "/var/tmp"};

	if (strcmp(dir, "/") == 0)
		return "every file there is";
	if (is_home(home, dir))
		return "a home as a whole";
	for (size_t i = 0; i < ARRAY_SIZE(everything); i++)
		if (strcmp(dir, everything[i]) == 0)
			return "too much lies in it";
	return NULL;
}

const char *suggest_path(const struct plan *p, const char *tool, uint32_t rights, const char *path,
			 char *buf, size_t bytes)
{
	static const enum right all[] = {RIGHT_READ, RIGHT_WRITE, RIGHT_EXEC};
	char shown[2 * PROFILE_PATH_MAX + 3];
	const char *comma = "";
	size_t n;

	if (!rights || rights & ~RIGHTS_FILE || !suggest_yaml(path, shown, sizeof(shown)) ||
	    protected_place_of(path) || closed(p, path) || both(p, rights, path) ||
	    suggest_too_much(p->home, path))
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
