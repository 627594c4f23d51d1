// SPDX-License-Identifier: GPL-2.0-or-later
/* The paths of a profile: `read`, `write`, `exec`, `deny`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/path.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

#include "policy/schema/profile.h"

#define PATTERN "*?[" /* what a shell would expand */

/* Each can run what no list of programs names. */
bool profile_is_interpreter(const char *path)
{
	static const char *const names[] = {
	    "sh",      "bash",    "dash",   "zsh",    "fish",   "ksh",        "mksh",   "csh",
	    "tcsh",    "busybox", "toybox", "env",    "python", "pypy",       "perl",   "ruby",
	    "node",    "nodejs",  "deno",   "bun",    "php",    "lua",        "luajit", "tclsh",
	    "wish",    "expect",  "awk",    "gawk",   "mawk",   "nawk",       "java",   "julia",
	    "Rscript", "R",       "ghci",   "guile",  "racket", "emacs",      "vim",    "vi",
	    "nvim",    "ed",      "socat",  "nc",     "ncat",   "netcat",     "xargs",  "find",
	    "make",    "gdb",     "strace", "ltrace", "sudo",   "su",         "doas",   "ssh",
	    "script",  "screen",  "tmux",   "nohup",  "setsid", "timeout",    "nice",   "watch",
	    "unshare", "nsenter", "chroot", "docker", "podman", "systemd-run"};
	const char *name = strrchr(path, '/');
	size_t n;

	name = name ? name + 1 : path;
	if (strncmp(name, "ld.so", 5) == 0 || strncmp(name, "ld-linux", 8) == 0 ||
	    strncmp(name, "ld-musl", 7) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		n = strlen(names[i]);
		/* python3.11, lua5.4, vim.basic */
		if (strncmp(name, names[i], n) == 0 &&
		    name[n + strspn(name + n, "0123456789.-")] == '\0')
			return true;
	}
	return false;
}

static void bad_path(struct yaml *y, const char *text, const char *hint, const char *what)
{
	char shown[200];

	yaml_error(y, 0, hint, "%s: %s", str_escape(shown, sizeof(shown), text, strlen(text)),
		   what);
}

/* Drops "." and doubled slashes; false: it holds "..". */
static bool tidy(char *path)
{
	char *to = path, *from = path;

	while (*from) {
		size_t n = strcspn(from, "/");

		if (n == 2 && from[0] == '.' && from[1] == '.')
			return false;
		if (n && !(n == 1 && from[0] == '.')) {
			if (from != path)
				*to++ = '/';
			memmove(to, from, n);
			to += n;
		}
		from += n;
		from += *from == '/';
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
	return true;
}

bool profile_path_exact(const char *path)
{
	char copy[PROFILE_PATH_MAX + 1];

	if (path[0] != '/' || strlen(path) > PROFILE_PATH_MAX || !schema_printable(path) ||
	    strpbrk(path, PATTERN))
		return false;
	strcpy(copy, path);
	return tidy(copy) && strcmp(copy, path) == 0;
}

char *schema_path(struct yaml *y, struct load *l)
{
	const char *text = yaml_text(y, NULL), *slash = strrchr(l->file, '/');
	char *path = NULL;
	int r = 0;

	if (!text || !*text || strlen(text) > PROFILE_PATH_MAX || !schema_printable(text)) {
		yaml_error(y, 0, NULL, "a path is text of 1 to %d bytes", PROFILE_PATH_MAX);
		return NULL;
	}
	if (strpbrk(text, PATTERN)) {
		bad_path(y, text, "name the directory: everything below it is meant",
			 "patterns are not expanded, they would mean other files tomorrow");
		return NULL;
	}
	if ((text[0] == '~' && !path_below(text, "~")) ||
	    (text[0] == '$' && !path_below(text, "$WORKSPACE"))) {
		bad_path(y, text,
			 "write an absolute path, ~/…, $WORKSPACE/… or one relative to this file",
			 text[0] == '~' ? "only the own home directory has a short name"
					: "there is no such variable in a policy");
		return NULL;
	}
	if (text[0] == '/' || text[0] == '~' || text[0] == '$')
		r = (path = strdup(text)) ? 0 : -1;
	else
		r = asprintf(&path, "%.*s/%s", slash ? (int)(slash - l->file) : 1,
			     slash ? l->file : ".", text);
	if (r < 0) {
		schema_keep(l, -ENOMEM);
		return NULL;
	}
	if (tidy(path))
		return path;
	bad_path(y, text, "write where it leads", "'..' means another place behind a link");
	free(path);
	return NULL;
}

static void on_entry_path(struct yaml *y, void *arg)
{
	struct reading *r = arg;

	r->entry_line = yaml_line(y);
	r->entry_col = yaml_col(y);
	if (!r->path)
		r->path = schema_path(y, r->l);
	yaml_skip(y);
}

static void on_optional(struct yaml *y, void *arg)
{
	struct reading *r = arg;

	schema_bool(y, "optional", &r->entry_optional);
}

static void on_entry_broad(struct yaml *y, void *arg)
{
	struct reading *r = arg;

	schema_bool(y, "broad", &r->entry_broad);
}

void profile_add_path(struct reading *r, enum right right, const char *path, bool optional,
		      bool broad, unsigned line, unsigned col)
{
	const struct blob_path p = {.line = line,
				    .col = col < UINT16_MAX ? (uint16_t)col : UINT16_MAX,
				    .right = (uint8_t)right,
				    .flags = (optional ? BLOB_PATH_OPTIONAL : 0) |
					     (broad ? BLOB_PATH_BROAD : 0)};

	schema_keep(r->l, compile_path(r->l->c, r->index, &p, path));
}

static void check_path(struct yaml *y, const struct reading *r)
{
	const char *path = r->path;

	if (reading_profile(r)->paths.n >= PROFILE_PATHS_MAX)
		diags_add(y->diags, false, r->entry_line, r->entry_col, NULL, "more than %d paths",
			  PROFILE_PATHS_MAX);
	else if (strcmp(path, "/") == 0 && !r->entry_broad && r->right != RIGHT_NONE)
		diags_add(y->diags, false, r->entry_line, r->entry_col,
			  "name the directories; if you mean it: {path: /, broad: true}",
			  "'/' is every file there is");
	else if (r->right == RIGHT_EXEC && profile_is_interpreter(path) && !r->entry_broad)
		diags_add(y->diags, false, r->entry_line, r->entry_col,
			  "name the programs themselves; if you mean it: {path: ..., broad: true}",
			  "'%s' runs whatever it is given: with it the list of programs is none",
			  path);
}

static void on_path(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {
	    {"path", on_entry_path}, {"optional", on_optional}, {"broad", on_entry_broad}};
	struct reading *r = arg;
	unsigned line = yaml_line(y), col = yaml_col(y);

	r->entry_optional = r->entry_broad = false;
	r->path = NULL;
	r->entry_line = line;
	r->entry_col = col;
	if (yaml_is(y, YAML_MAPPING_START_EVENT)) {
		size_t errors = y->diags->n_errors;

		yaml_mapping(y, "this entry", keys, ARRAY_SIZE(keys), r);
		if (!r->path && !y->broken && errors == y->diags->n_errors)
			diags_add(y->diags, false, line, col, "add `path: ...`",
				  "the entry has no 'path'");
	} else {
		on_entry_path(y, r);
	}
	if (r->path) {
		check_path(y, r);
		profile_add_path(r, r->right, r->path, r->entry_optional, r->entry_broad,
				 r->entry_line, r->entry_col);
	}
	free(steal_ptr(r->path));
}

static void path_list(struct yaml *y, struct reading *r, enum right right, const char *what)
{
	r->right = right;
	reading_profile(r)->flags |= BLOB_PROFILE_CONFINED;
	yaml_list(y, what, on_path, r);
}

void profile_read(struct yaml *y, void *arg)
{
	path_list(y, arg, RIGHT_READ, "'read'");
}

void profile_write(struct yaml *y, void *arg)
{
	path_list(y, arg, RIGHT_WRITE, "'write'");
}

void profile_exec(struct yaml *y, void *arg)
{
	path_list(y, arg, RIGHT_EXEC, "'exec'");
}

void profile_deny(struct yaml *y, void *arg)
{
	path_list(y, arg, RIGHT_NONE, "'deny'");
}
