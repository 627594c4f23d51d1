/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to write into a profile so that the same thing passes. */
#ifndef AGENTFW_SUGGEST_H
#define AGENTFW_SUGGEST_H

#include <stddef.h>
#include <stdint.h>

struct plan;

/* The line of a policy that would allow it, "tools: {NAME: {read: [/etc/x]}}", in buf; NULL: none
 * that may be written down, as for places that are protected, hidden or denied, for a directory
 * in which too much lies, and for what would be written and run. tool NULL: the agent. rights: of policy/base/rights.h. */
const char *suggest_path(const struct plan *p, const char *tool, uint32_t rights, const char *path,
			 char *buf, size_t bytes);
/* path as YAML writes it inside brackets; NULL: no entry of a profile names it, and nothing else. */
const char *suggest_yaml(const char *path, char *buf, size_t bytes);
/* Why a directory is too much to be allowed as a whole; NULL: it is not. home: of who ran it, or
 * NULL. */
const char *suggest_too_much(const char *home, const char *dir);

#endif
