/* `agent` and `tools`: what a program may do besides the network. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/command.h"
#include "policy/profile.h"
#include "policy/schema.h"

#define PATHS_MAX     512
#define ENV_MAX       256
#define WORDS_MAX     256
#define TOOLS_MAX     256
#define TOOL_NAME_MAX 40
#define VALUE_MAX     4096

struct reading {
	struct load *l;
	uint32_t index;
	const char *tool; /* NULL: the agent */
	unsigned line, col;
	enum path_kind kind;
	struct compile *net; /* of a tool with `egress` or `ingress` */
	bool network_none, broad, args;
	bool interpreter; /* the command is one */
	unsigned command_line, command_col;
	char *user, *cwd, *command;
	/* one entry */
	char *path;
	bool entry_optional, entry_broad;
	unsigned entry_line, entry_col;
};

/* ---- paths ----------------------------------------------------------------------------------- */

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

static bool begins_with(const char *text, const char *word)
{
	size_t n = strlen(word);

	return strncmp(text, word, n) == 0 && (text[n] == '/' || text[n] == '\0');
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

/* The path of the current event in the form of profile.h, to be freed; NULL: the error is told. */
static char *take_path(struct yaml *y, struct load *l)
{
	const char *text = yaml_text(y, NULL), *slash = strrchr(l->file, '/');
	char *path = NULL;
	int r = 0;

	if (!text || !*text || strlen(text) > 2000 || !schema_printable(text)) {
		yaml_error(y, 0, NULL, "a path is text of at most 2000 bytes");
		return NULL;
	}
	if (strpbrk(text, "*?[")) {
		bad_path(y, text, "name the directory: everything below it is meant",
			 "patterns are not expanded, they would mean other files tomorrow");
		return NULL;
	}
	if ((text[0] == '~' && !begins_with(text, "~")) ||
	    (text[0] == '$' && !begins_with(text, "$WORKSPACE"))) {
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
		r->path = take_path(y, r->l);
	yaml_skip(y);
}

static void take_bool(struct yaml *y, const char *what, bool *ret)
{
	static const char *const words[] = {"false", "true"};
	size_t i;

	if (!schema_choice(y, words, 2, &i))
		yaml_error(y, 0, NULL, "'%s' is true or false", what);
	else
		*ret = i == 1;
	yaml_skip(y);
}

static void on_optional(struct yaml *y, void *arg)
{
	struct reading *r = arg;

	take_bool(y, "optional", &r->entry_optional);
}

static void on_entry_broad(struct yaml *y, void *arg)
{
	struct reading *r = arg;

	take_bool(y, "broad", &r->entry_broad);
}

static void add_path(struct reading *r, enum path_kind kind, const char *path, bool optional,
		     bool broad, unsigned line, unsigned col)
{
	const struct blob_path p = {.line = line,
				    .col = col < UINT16_MAX ? (uint16_t)col : UINT16_MAX,
				    .kind = (uint8_t)kind,
				    .flags = (optional ? BLOB_PATH_OPTIONAL : 0) |
					     (broad ? BLOB_PATH_BROAD : 0)};

	schema_keep(r->l, compile_path(r->l->c, r->index, &p, path));
}

static void check_path(struct yaml *y, const struct reading *r)
{
	const char *path = r->path;

	if (compile_profile_at(r->l->c, r->index)->paths.n >= PATHS_MAX)
		diags_add(y->diags, false, r->entry_line, r->entry_col, NULL, "more than %d paths",
			  PATHS_MAX);
	else if (strcmp(path, "/") == 0 && !r->entry_broad && r->kind != PATH_DENY)
		diags_add(y->diags, false, r->entry_line, r->entry_col,
			  "name the directories; if you mean it: {path: /, broad: true}",
			  "'/' is every file there is");
	else if (r->kind == PATH_EXEC && profile_is_interpreter(path) && !r->entry_broad)
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
		add_path(r, r->kind, r->path, r->entry_optional, r->entry_broad, r->entry_line,
			 r->entry_col);
	}
	free(steal_ptr(r->path));
}

static void path_list(struct yaml *y, struct reading *r, enum path_kind kind, const char *what)
{
	r->kind = kind;
	compile_profile_at(r->l->c, r->index)->flags |= BLOB_PROFILE_CONFINED;
	yaml_list(y, what, on_path, r);
}

static void on_read(struct yaml *y, void *arg)
{
	path_list(y, arg, PATH_READ, "'read'");
}

static void on_write(struct yaml *y, void *arg)
{
	path_list(y, arg, PATH_WRITE, "'write'");
}

static void on_exec(struct yaml *y, void *arg)
{
	path_list(y, arg, PATH_EXEC, "'exec'");
}

static void on_deny_path(struct yaml *y, void *arg)
{
	path_list(y, arg, PATH_DENY, "'deny'");
}

static void on_cwd(struct yaml *y, void *arg)
{
	struct reading *r = arg;

	if (!r->cwd)
		r->cwd = take_path(y, r->l);
	yaml_skip(y);
}

static void on_user(struct yaml *y, void *arg)
{
	struct reading *r = arg;
	const char *text = yaml_text(y, NULL);

	if (!text || !*text || strlen(text) > 64 || strpbrk(text, ": \t\n/") ||
	    !schema_printable(text))
		yaml_error(y, 0, NULL, "'user' is the name or number of a user");
	else if (!r->user && !(r->user = strdup(text)))
		schema_keep(r->l, -ENOMEM);
	yaml_skip(y);
}

/* ---- environment ----------------------------------------------------------------------------- */

static bool env_name_ok(const char *s)
{
	return *s && strlen(s) <= 200 && !(*s >= '0' && *s <= '9') &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
		   strlen(s);
}

/* They make the loader map what the profile does not name. */
static bool env_of_loader(const char *s)
{
	return strncmp(s, "LD_", 3) == 0 || strcmp(s, "GCONV_PATH") == 0 ||
	       strcmp(s, "GLIBC_TUNABLES") == 0 || strncmp(s, "MALLOC_", 7) == 0;
}

static bool check_env(struct yaml *y, const struct reading *r, const char *name)
{
	char shown[100];

	if (!name || !env_name_ok(name))
		yaml_error(y, 0, "write LANG, or {set: {TZ: UTC}}",
			   "the name of a variable is expected");
	else if (env_of_loader(name))
		yaml_error(y, 0, "leave it out; libraries are found without it",
			   "%s tells the loader what to map: it is never passed on",
			   str_escape(shown, sizeof(shown), name, strlen(name)));
	else if (compile_profile_at(r->l->c, r->index)->env.n >= ENV_MAX)
		yaml_error(y, 0, NULL, "more than %d variables", ENV_MAX);
	else
		return true;
	return false;
}

static void on_set(struct yaml *y, void *arg)
{
	struct reading *r = arg;

	if (!yaml_is(y, YAML_MAPPING_START_EVENT)) {
		yaml_error(y, 0, "write {set: {TZ: UTC}}", "'set' must be a mapping");
		yaml_skip(y);
		return;
	}
	yaml_next(y);
	while (!y->broken && !yaml_is(y, YAML_MAPPING_END_EVENT)) {
		_cleanup_free_ char *name = NULL;
		const char *text = yaml_text(y, NULL);

		if (check_env(y, r, text) && !(name = strdup(text)))
			schema_keep(r->l, -ENOMEM);
		yaml_skip(y);
		text = yaml_text(y, NULL);
		if (!text || strlen(text) > VALUE_MAX)
			yaml_error(y, 0, NULL, "a value is text of at most %d bytes", VALUE_MAX);
		else if (name)
			schema_keep(r->l, compile_env(r->l->c, r->index, name, text));
		yaml_skip(y);
	}
	yaml_next(y);
}

static void on_env_item(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {{"set", on_set}};
	struct reading *r = arg;
	const char *text;

	if (yaml_is(y, YAML_MAPPING_START_EVENT)) {
		yaml_mapping(y, "this entry", keys, 1, r);
		return;
	}
	text = yaml_text(y, NULL);
	if (check_env(y, r, text))
		schema_keep(r->l, compile_env(r->l->c, r->index, text, NULL));
	yaml_skip(y);
}

static void on_env(struct yaml *y, void *arg)
{
	struct reading *r = arg;

	compile_profile_at(r->l->c, r->index)->flags |= BLOB_PROFILE_SCRUB_ENV;
	yaml_list(y, "'env'", on_env_item, r);
}

/* ---- limits ---------------------------------------------------------------------------------- */

struct unit {
	const char *name;
	uint64_t factor;
};

/* 256M, 20s: a number over 0 and a unit; 0: the error is told. */
static uint64_t quantity(struct yaml *y, const char *what, const struct unit *units, size_t n,
			 uint64_t max, const char *example)
{
	const char *text = yaml_text(y, NULL);
	char *end = NULL;
	uint64_t value = 0;

	errno = 0;
	if (text && *text >= '0' && *text <= '9')
		value = strtoull(text, &end, 10);
	for (size_t i = 0; value && !errno && i < n; i++)
		if (strcmp(end, units[i].name) == 0 && value <= max / units[i].factor) {
			yaml_skip(y);
			return value * units[i].factor;
		}
	yaml_error(y, 0, example, "'%s' is a number over 0 and a unit", what);
	yaml_skip(y);
	return 0;
}

static uint64_t bytes(struct yaml *y, const char *what)
{
	static const struct unit units[] = {
	    {"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};

	return quantity(y, what, units, ARRAY_SIZE(units), 1ull << 50,
			"write bytes, or 64K, 256M, 2G");
}

static uint32_t milliseconds(struct yaml *y, const char *what)
{
	static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

	return (uint32_t)quantity(y, what, units, ARRAY_SIZE(units), 1u << 31,
				  "write 500ms, 20s, 5m or 1h");
}

static struct blob_profile *profile_of(void *arg)
{
	struct reading *r = arg;

	return compile_profile_at(r->l->c, r->index);
}

static void on_memory(struct yaml *y, void *arg)
{
	profile_of(arg)->memory = bytes(y, "memory");
}

static void on_file_size(struct yaml *y, void *arg)
{
	profile_of(arg)->file_size = bytes(y, "file_size");
}

static void on_output(struct yaml *y, void *arg)
{
	profile_of(arg)->output = bytes(y, "output");
}

static void on_cpu(struct yaml *y, void *arg)
{
	profile_of(arg)->cpu_ms = milliseconds(y, "cpu");
}

static void on_time(struct yaml *y, void *arg)
{
	profile_of(arg)->time_ms = milliseconds(y, "time");
}

static void on_pids(struct yaml *y, void *arg)
{
	static const struct unit none[] = {{"", 1}};

	profile_of(arg)->pids =
	    (uint32_t)quantity(y, "pids", none, 1, 1u << 22, "write a number: 16");
}

static void on_limits(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {{"memory", on_memory},       {"cpu", on_cpu},
					       {"pids", on_pids},           {"time", on_time},
					       {"file_size", on_file_size}, {"output", on_output}};

	yaml_mapping(y, "'limits'", keys, ARRAY_SIZE(keys), arg);
}

/* ---- the other keys -------------------------------------------------------------------------- */

static void on_network(struct yaml *y, void *arg)
{
	struct reading *r = arg;
	const char *text = yaml_text(y, NULL);

	if (!text || strcmp(text, "none") != 0)
		yaml_error(y, 0, "endpoints are named under `egress`", "'network' is none");
	else
		r->network_none = true;
	yaml_skip(y);
}

static void on_best_effort(struct yaml *y, void *arg)
{
	bool on = false;

	take_bool(y, "best_effort", &on);
	profile_of(arg)->flags |= on ? BLOB_PROFILE_BEST_EFFORT : 0;
}

static void on_broad(struct yaml *y, void *arg)
{
	struct reading *r = arg;

	take_bool(y, "broad", &r->broad);
}

static void unknown_place(struct yaml *y, const char *text)
{
	char hint[200] = "there are: ";
	size_t n = strlen(hint);

	for (size_t i = 0; i < protected_places_n && n < sizeof(hint); i++) {
		const char *name = protected_places[i].name;

		if (name && (!i || !protected_places[i - 1].name ||
			     strcmp(name, protected_places[i - 1].name) != 0))
			n += (size_t)snprintf(hint + n, sizeof(hint) - n, "%s%s",
					      hint[n - 1] == ' ' ? "" : ", ", name);
	}
	yaml_error(y, 0, hint, "there is no protected place '%s'", text);
}

static void on_unprotect_item(struct yaml *y, void *arg)
{
	struct reading *r = arg;
	const char *text = yaml_text(y, NULL);

	if (!text || !*text || strlen(text) > 40 ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(text))
		yaml_error(y, 0, "the names are listed by `agentctl policy show`",
			   "the name of a protected place is expected");
	else if (!protected_name_known(text))
		unknown_place(y, text);
	else if (profile_of(r)->unprotect.n >= WORDS_MAX)
		yaml_error(y, 0, NULL, "more than %d names", WORDS_MAX);
	else
		schema_keep(r->l, compile_unprotect(r->l->c, r->index, text));
	yaml_skip(y);
}

static void on_unprotect(struct yaml *y, void *arg)
{
	yaml_list(y, "'unprotect'", on_unprotect_item, arg);
}

static void agent_egress(struct yaml *y, void *arg)
{
	yaml_error(y, 0, "write it at the top level", "the agent's `egress` is the policy's own");
	yaml_skip(y);
}

static void agent_ingress(struct yaml *y, void *arg)
{
	yaml_error(y, 0, "write it at the top level", "the agent's `ingress` is the policy's own");
	yaml_skip(y);
}

static void agent_command(struct yaml *y, void *arg)
{
	yaml_error(y, 0, "a command belongs to a tool",
		   "the agent's command is what stands behind `agentctl run --`");
	yaml_skip(y);
}

/* ---- tools ----------------------------------------------------------------------------------- */

/* The list goes into the tool's own network. */
static void own_network(struct yaml *y, struct reading *r, void (*list)(struct yaml *y, void *arg))
{
	struct compile *outer = r->l->c;

	if (!r->net && compile_new(&r->net) < 0) {
		schema_keep(r->l, -ENOMEM);
		yaml_skip(y);
		return;
	}
	r->l->c = r->net;
	list(y, r->l);
	r->l->c = outer;
}

static void on_tool_egress(struct yaml *y, void *arg)
{
	own_network(y, arg, schema_egress);
}

static void on_tool_ingress(struct yaml *y, void *arg)
{
	own_network(y, arg, schema_ingress);
}

static void first_word(struct yaml *y, struct reading *r, const char *text)
{
	r->command_line = yaml_line(y);
	r->command_col = yaml_col(y);
	if (!strchr(text, '/'))
		yaml_error(y, 0, "write its path: /usr/bin/NAME",
			   "the program is not searched for");
	else if ((r->command = take_path(y, r->l)))
		r->interpreter = profile_is_interpreter(r->command);
}

static void on_command_word(struct yaml *y, void *arg)
{
	struct reading *r = arg;
	const char *text = yaml_text(y, NULL);
	struct err e = {0};
	size_t n = profile_of(r)->command.n;

	if (!text || strlen(text) > VALUE_MAX)
		yaml_error(y, 0, "write numbers in quotes: \"10\"",
			   "a word of a command is text of at most %d bytes", VALUE_MAX);
	else if (n >= WORDS_MAX)
		yaml_error(y, 0, NULL, "more than %d words", WORDS_MAX);
	else if (r->args)
		yaml_error(y, 0, NULL, "{args} must be the last word");
	else if (n && command_word_check(text, &e) < 0)
		yaml_error(y, 0, e.hint, "%s", e.msg);
	else {
		if (!n)
			first_word(y, r, text);
		r->args = strcmp(text, "{args}") == 0;
		schema_keep(
		    r->l, compile_command(r->l->c, r->index, !n && r->command ? r->command : text));
	}
	yaml_skip(y);
}

static void on_command(struct yaml *y, void *arg)
{
	yaml_list(y, "'command'", on_command_word, arg);
}

/* ---- a profile as a whole -------------------------------------------------------------------- */

static void finish_tool(struct yaml *y, struct reading *r)
{
	if (r->command)
		add_path(r, PATH_EXEC, r->command, false, r->broad, r->command_line,
			 r->command_col);
	if (!profile_of(r)->command.n)
		diags_add(y->diags, false, r->line, r->col,
			  "add `command: [/usr/bin/..., \"{text}\"]`",
			  "the tool '%s' has no 'command'", r->tool);
	else if (r->interpreter && !r->broad)
		diags_add(y->diags, false, r->command_line, r->command_col,
			  "if you mean it, add `broad: true` to the tool",
			  "'%s' runs whatever it is given: with it the list of programs is none",
			  r->command);
	else if (r->args && !r->broad)
		diags_add(y->diags, false, r->command_line, r->command_col,
			  "name what may vary: {word}, {path:workspace}, …; or add `broad: true`",
			  "{args} lets the caller give any option");
	if (r->network_none && r->net)
		diags_add(y->diags, false, r->line, r->col, "take one of the two out",
			  "the tool '%s' has both `network: none` and `egress` or `ingress`",
			  r->tool);
}

static void finish(struct yaml *y, struct reading *r)
{
	struct blob_profile *p;

	if (r->tool)
		finish_tool(y, r);
	schema_keep(r->l, compile_profile_strings(r->l->c, r->index, r->user, r->cwd));
	p = profile_of(r);
	if (r->tool)
		p->flags |= BLOB_PROFILE_CONFINED | BLOB_PROFILE_SCRUB_ENV;
	if (r->network_none || (r->tool && !r->net))
		p->flags |= BLOB_PROFILE_NO_NETWORK;
	if (r->broad)
		p->flags |= BLOB_PROFILE_BROAD;
	if (r->net)
		schema_keep_net(r->l, r->index, r->net);
	free(r->user);
	free(r->cwd);
	free(r->command);
}

#define FILE_KEYS                                                                                  \
	{"user", on_user}, {"read", on_read}, {"write", on_write}, {"exec", on_exec},              \
	    {"deny", on_deny_path}, {"env", on_env}, {"cwd", on_cwd}, {"limits", on_limits},       \
	    {"network", on_network}, {"best_effort", on_best_effort},                              \
	{                                                                                          \
		"unprotect", on_unprotect                                                          \
	}

void schema_agent(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {FILE_KEYS,
					       {"egress", agent_egress},
					       {"ingress", agent_ingress},
					       {"command", agent_command}};
	struct reading r = {
	    .l = arg, .index = PROFILE_AGENT, .line = yaml_line(y), .col = yaml_col(y)};

	yaml_mapping(y, "'agent'", keys, ARRAY_SIZE(keys), &r);
	finish(y, &r);
}

static bool tool_name_ok(const char *s)
{
	return s && strlen(s) <= TOOL_NAME_MAX && *s && *s != '-' && *s != '_' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(s);
}

static void tool(struct yaml *y, struct load *l)
{
	static const struct yaml_key keys[] = {FILE_KEYS,
					       {"egress", on_tool_egress},
					       {"ingress", on_tool_ingress},
					       {"command", on_command},
					       {"broad", on_broad}};
	struct reading r = {.l = l, .line = yaml_line(y), .col = yaml_col(y)};
	_cleanup_free_ char *name = NULL;
	const char *text = yaml_text(y, NULL);

	if (!tool_name_ok(text))
		yaml_error(y, 0, "write a-z, 0-9, '-' and '_', at most 40",
			   "the name of a tool is expected");
	else if (schema_tool_known(l, text))
		yaml_error(y, 0, "merge the two", "the tool '%s' appears twice", text);
	else if (l->n_tools == TOOLS_MAX)
		yaml_error(y, 0, NULL, "more than %d tools", TOOLS_MAX);
	else if (!(name = strdup(text)))
		schema_keep(l, -ENOMEM);
	yaml_skip(y);
	if (!name || compile_profile(l->c, name, r.line, r.col, &r.index) < 0) {
		yaml_skip(y);
		return;
	}
	l->n_tools++;
	r.tool = name;
	yaml_mapping(y, "this tool", keys, ARRAY_SIZE(keys), &r);
	finish(y, &r);
}

void schema_tools(struct yaml *y, void *arg)
{
	if (!yaml_is(y, YAML_MAPPING_START_EVENT)) {
		yaml_error(y, 0, "write {name: {command: [...], ...}}",
			   "'tools' must be a mapping");
		yaml_skip(y);
		return;
	}
	yaml_next(y);
	while (!y->broken && !yaml_is(y, YAML_MAPPING_END_EVENT))
		tool(y, arg);
	yaml_next(y);
}

void schema_workspace(struct yaml *y, void *arg)
{
	struct load *l = arg;
	const char *text = yaml_text(y, NULL);

	if (text && text[0] == '$')
		yaml_error(y, 0, "write a path", "the workspace cannot be named by itself");
	else if (!l->workspace)
		l->workspace = take_path(y, l);
	yaml_skip(y);
}
