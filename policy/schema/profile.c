// SPDX-License-Identifier: GPL-2.0-or-later
/* `agent` and `tools`: what a program may do besides the network. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/command.h"
#include "policy/schema/profile.h"

#define ENV_MAX       256
#define WORDS_MAX     256
#define TOOLS_MAX     256
#define TOOL_NAME_MAX 40
#define VALUE_MAX     4096

/* ---- environment --------------------------------------------------------- */

static bool env_name_ok(const char *s)
{
	return *s && strlen(s) <= 200 && !(*s >= '0' && *s <= '9') &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
		   strlen(s);
}

/* With these the loader or the C library maps what the profile does not name. */
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
	else if (reading_profile(r)->env.n >= ENV_MAX)
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

	reading_profile(r)->flags |= BLOB_PROFILE_SCRUB_ENV;
	yaml_list(y, "'env'", on_env_item, r);
}

/* ---- the other keys ------------------------------------------------------ */

static void on_cwd(struct yaml *y, void *arg)
{
	struct reading *r = arg;

	if (!r->cwd)
		r->cwd = schema_path(y, r->l);
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

	schema_bool(y, "best_effort", &on);
	reading_profile(arg)->flags |= on ? BLOB_PROFILE_BEST_EFFORT : 0;
}

static void profile_on_broad(struct yaml *y, void *arg)
{
	struct reading *r = arg;

	schema_bool(y, "broad", &r->broad);
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
	else if (reading_profile(r)->unprotect.n >= WORDS_MAX)
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

/* ---- tools --------------------------------------------------------------- */

/* Reads the list into the policy of the tool's own network. */
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
	else if ((r->command = schema_path(y, r->l)))
		r->interpreter = profile_is_interpreter(r->command);
}

static void on_command_word(struct yaml *y, void *arg)
{
	struct reading *r = arg;
	const char *text = yaml_text(y, NULL);
	struct err e = {0};
	size_t n = reading_profile(r)->command.n;

	if (!text || strlen(text) > VALUE_MAX)
		yaml_error(y, 0, "write numbers in quotes: \"10\"",
			   "a word of a command is text of at most %d bytes", VALUE_MAX);
	else if (n >= WORDS_MAX)
		yaml_error(y, 0, NULL, "more than %d words", WORDS_MAX);
	else if (r->args)
		yaml_error(y, 0, "put it in front of {args}", "{args} must be the last word");
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
	struct reading *r = arg;
	size_t errors = y->diags->n_errors;

	yaml_list(y, "'command'", on_command_word, r);
	r->command_told = y->diags->n_errors > errors;
}

/* ---- a profile as a whole ------------------------------------------------ */

static void finish_tool(struct yaml *y, struct reading *r)
{
	if (r->command)
		profile_add_path(r, RIGHT_EXEC, r->command, false, r->broad, r->command_line,
				 r->command_col);
	if (!reading_profile(r)->command.n && !r->command_told)
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
	p = reading_profile(r);
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
	{"user", on_user}, {"read", profile_read}, {"write", profile_write},                       \
	    {"exec", profile_exec}, {"deny", profile_deny}, {"env", on_env}, {"cwd", on_cwd},      \
	    {"limits", profile_limits}, {"network", on_network}, {"best_effort", on_best_effort},  \
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

	reading_profile(&r)->line = r.line;
	reading_profile(&r)->col = r.col;
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
					       {"broad", profile_on_broad}};
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
	r.command_told = !yaml_is(y, YAML_MAPPING_START_EVENT);
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
		l->workspace = schema_path(y, l);
	yaml_skip(y);
}
