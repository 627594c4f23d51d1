// SPDX-License-Identifier: GPL-2.0-or-later
/* Profiles: every kind of error with its place, what is read back, the networks of tools, and
 * command lines in which a value stays a value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/profile.h"
#include "tests/unit/lab/given.h"

#define HEAD  "version: 1\n"
#define TOOL  HEAD "tools:\n  t:\n    command: [/usr/bin/true]\n"
#define AGENT HEAD "agent:\n"

static const struct {
	const char *text;
	unsigned line, col;
	const char *says, *hint;
} wrong[] = {
    {HEAD "tools: [a]\n", 2, 8, "must be a mapping", "command"},
    {HEAD "tools: {A: {}}\n", 2, 9, "name of a tool", "a-z"},
    {HEAD "tools: {a: {}}\n", 2, 9, "has no 'command'", "command:"},
    {HEAD "tools: {a: }\n", 2, 12, "must be a mapping", "key: value"},
    {HEAD "tools: {a: {command: /usr/bin/wc}}\n", 2, 22, "must be a list", "item"},
    {HEAD "tools: {a: {command: []}}\n", 2, 9, "has no 'command'", "command:"},
    {HEAD "tools:\n  a: {command: [/x]}\n  a: {command: [/x]}\n", 4, 3, "appears twice", "merge"},
    {HEAD "tools: {a: {command: [curl]}}\n", 2, 23, "not searched for", "/usr/bin/"},
    {HEAD "tools: {a: {command: [/bin/bash]}}\n", 2, 23, "runs whatever it is given", "broad"},
    {HEAD "tools: {a: {command: [/usr/bin/python3.11]}}\n", 2, 23, "runs whatever", "broad"},
    {HEAD "tools: {a: {command: [/x, \"{args}\"]}}\n", 2, 23, "any option", "broad: true"},
    {HEAD "tools: {a: {command: [/x, \"{what}\"]}}\n", 2, 27, "no placeholder {what}", "{word}"},
    {HEAD "tools: {a: {command: [/x, \"{int:9}\"]}}\n", 2, 27, "no range", "{int:1-100}"},
    {HEAD "tools: {a: {command: [/x, \"{int:9-1}\"]}}\n", 2, 27, "no range", "{int:1-100}"},
    {HEAD "tools: {a: {command: [/x, \"{word}{word}\"]}}\n", 2, 27, "one placeholder", "its own"},
    {HEAD "tools: {a: {command: [/x, \"{word\"]}}\n", 2, 27, "a brace", "twice"},
    {HEAD "tools: {a: {command: [/x, \"}\"]}}\n", 2, 27, "a brace", "twice"},
    {HEAD "tools: {a: {broad: true, command: [/x, \"{args}\", y]}}\n", 2, 50, "last word", ""},
    {HEAD "tools: {a: {command: [/x], egress: [a..b]}}\n", 2, 37, "not an endpoint", ""},
    {HEAD "tools: {a: {command: [/x], network: none, egress: [a.example]}}\n", 2, 9, "both",
     "one of the two"},
    {HEAD "tools: {a: {command: [/x], network: none, ingress: [127.0.0.1:1]}}\n", 2, 9, "both",
     "one of the two"},
    {HEAD "tools: {a: {command: [/x], ingress: [a.example:1]}}\n", 2, 38, "not by a name", ""},
    {AGENT "  ingress: [127.0.0.1:1]\n", 3, 12, "policy's own", "top level"},
    {AGENT "  egress: [a.example]\n", 3, 11, "policy's own", "top level"},
    {AGENT "  command: [/x]\n", 3, 12, "agentctl run", "tool"},
    {AGENT "  read: [/]\n", 3, 10, "every file", "broad: true"},
    {AGENT "  write: [/]\n", 3, 11, "every file", "broad: true"},
    {AGENT "  read: [\"/etc/*.conf\"]\n", 3, 10, "patterns", "directory"},
    {AGENT "  read: [\"/etc/[a]\"]\n", 3, 10, "patterns", "directory"},
    {AGENT "  read: [~bob/x]\n", 3, 10, "own home", "absolute"},
    {AGENT "  read: [$HOME/x]\n", 3, 10, "no such variable", "$WORKSPACE"},
    {AGENT "  read: [/a/../b]\n", 3, 10, "'..'", "where it leads"},
    {AGENT "  read: [{optional: true}]\n", 3, 10, "no 'path'", "path:"},
    {AGENT "  read: [{path: /x, optional: maybe}]\n", 3, 31, "true or false", ""},
    {AGENT "  exec: [/bin/sh]\n", 3, 10, "runs whatever it is given", "broad: true"},
    {AGENT "  exec: [/lib64/ld-linux-x86-64.so.2]\n", 3, 10, "runs whatever", "broad: true"},
    {AGENT "  env: [1X]\n", 3, 9, "name of a variable", "LANG"},
    {AGENT "  env: [LD_PRELOAD]\n", 3, 9, "never passed on", "leave it out"},
    {AGENT "  env: [{set: {LD_AUDIT: x}}]\n", 3, 16, "never passed on", "leave it out"},
    {AGENT "  limits: {memory: 0}\n", 3, 20, "over 0", "256M"},
    {AGENT "  limits: {memory: 9999999999G}\n", 3, 20, "over 0", "256M"},
    {AGENT "  limits: {time: 5}\n", 3, 18, "over 0", "20s"},
    {AGENT "  limits: {pids: -1}\n", 3, 18, "a number of processes over 0", "16"},
    {AGENT "  broad: true\n", 3, 3, "unknown key 'broad'", "it takes: user, read"},
    {AGENT "  network: some\n", 3, 12, "none", "egress"},
    {AGENT "  unprotect: [Git]\n", 3, 15, "protected place", "policy show"},
    {AGENT "  unprotect: [git, gti]\n", 3, 20, "no protected place 'gti'", "git, shell"},
    {HEAD "workspace: $WORKSPACE/x\n", 2, 12, "by itself", "path"},
};

static bool as_expected(size_t i, int r, const struct diags *d)
{
	const struct diag *x = d->n ? &d->list[0] : NULL;

	if (r == -EINVAL && x && x->line == wrong[i].line && x->col == wrong[i].col &&
	    strstr(x->msg, wrong[i].says) && strstr(x->hint, wrong[i].hint) && d->n_errors == 1)
		return true;
	print_error("case %zu, expected %u:%u: %s\n%s", i, wrong[i].line, wrong[i].col,
		    wrong[i].says, wrong[i].text);
	for (size_t k = 0; k < d->n; k++)
		print_error("%u:%u: %s (%s)\n", d->list[k].line, d->list[k].col, d->list[k].msg,
			    d->list[k].hint);
	return false;
}

static void test_errors(void **state)
{
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct diags d;
		size_t bytes;
		void *blob;
		int r = policy_compile("/etc/p.yaml", wrong[i].text, strlen(wrong[i].text), &d,
				       &blob, &bytes);

		if (r == 0)
			free(blob);
		ok &= as_expected(i, r, &d);
		diags_done(&d);
	}
	assert_true(ok);
}

static bool has_path(const struct policy *p, size_t profile, enum right right, const char *path)
{
	struct profile f;

	policy_profile(p, profile, &f);
	for (size_t i = 0; i < f.n_paths; i++) {
		struct profile_path x;

		profile_path(p, profile, i, &x);
		if (x.right == right && strcmp(x.path, path) == 0)
			return true;
	}
	return false;
}

/* What was written, in whatever order, comes back as what it means. */
static void test_read_back(void **state)
{
	static const char text[] =
	    "tools:\n"
	    "  fetch:\n"
	    "    command: [./bin/get, \"{url}\"]\n"
	    "    write: [{path: ./out/./x//y, optional: true}]\n"
	    "    limits: {memory: 2M, cpu: 1500ms, pids: 7, time: 2m, file_size: 3, output: 1K}\n"
	    "    env: [LANG, {set: {TZ: UTC, EMPTY: \"\"}}]\n"
	    "    cwd: $WORKSPACE\n"
	    "    user: bob\n"
	    "agent:\n"
	    "  read: [~, ~/.config, $WORKSPACE/a, /usr/]\n"
	    "  deny: [~/.ssh]\n"
	    "  unprotect: [git]\n"
	    "  best_effort: true\n"
	    "version: 1\n";
	_cleanup_free_ void *blob = NULL;
	struct profile agent, fetch;
	struct profile_env env;
	struct policy *p;
	size_t bytes;

	given_policy(text, &p, &blob);
	assert_int_equal(policy_profiles(p), 2);
	assert_int_equal(policy_find_tool(p, "fetch"), 1);
	assert_int_equal(policy_find_tool(p, "other"), 0);
	policy_profile(p, 0, &agent);
	policy_profile(p, 1, &fetch);
	assert_null(agent.name);
	assert_true(agent.confined && agent.best_effort && !agent.scrub_env && !agent.no_network);
	assert_true(has_path(p, 0, RIGHT_READ, "~") && has_path(p, 0, RIGHT_READ, "~/.config") &&
		    has_path(p, 0, RIGHT_READ, "$WORKSPACE/a") &&
		    has_path(p, 0, RIGHT_READ, "/usr") && has_path(p, 0, RIGHT_NONE, "~/.ssh"));
	assert_string_equal(profile_unprotect(p, 0, 0), "git");
	assert_true(fetch.confined && fetch.scrub_env && fetch.no_network && !fetch.own_network);
	assert_true(has_path(p, 1, RIGHT_WRITE, "/out/x/y") &&
		    has_path(p, 1, RIGHT_EXEC, "/bin/get"));
	assert_string_equal(fetch.workspace, "/");
	assert_string_equal(fetch.cwd, "$WORKSPACE");
	assert_string_equal(fetch.user, "bob");
	assert_int_equal(fetch.limits.memory, 2 << 20);
	assert_int_equal(fetch.limits.cpu_ms, 1500);
	assert_int_equal(fetch.limits.time_ms, 120000);
	assert_int_equal(fetch.limits.pids, 7);
	assert_int_equal(fetch.limits.file_size, 3);
	assert_int_equal(fetch.limits.output, 1024);
	assert_int_equal(fetch.n_env, 3);
	profile_env(p, 1, 0, &env);
	assert_true(strcmp(env.name, "LANG") == 0 && !env.value);
	profile_env(p, 1, 2, &env);
	assert_true(strcmp(env.name, "EMPTY") == 0 && env.value && !*env.value);
	assert_null(profile_network(p, 1, &bytes));
	policy_free(p);
}

static enum verdict verdict_of(const struct policy *p, const char *host)
{
	const struct name n = name(host);

	return policy_match_name(p, SCHEME_HTTPS, &n, 443).verdict;
}

/* A tool has its own egress, and everybody's deny rules, pins and servers. */
static void test_own_network(void **state)
{
	static const char text[] =
	    "version: 1\n"
	    "tools:\n"
	    "  a: {command: [/x], egress: [one.example, \"*.two.example\"]}\n"
	    "  b: {command: [/x], egress: [three.example, 10.0.0.0/8:443]}\n"
	    "egress: [agent.example]\n"
	    "deny:\n"
	    "  - {to: bad.two.example, reason: no}\n"
	    "  - 10.1.0.0/16\n"
	    "dns: {servers: [10.0.0.2], hosts: {one.example: 10.9.9.9}}\n"
	    "mode: audit\n";
	_cleanup_free_ void *blob = NULL;
	struct policy *p, *a, *b;
	struct addr pin, in = addr("10.2.0.1"), denied = addr("10.1.0.1");
	struct match m;
	struct name n = name("bad.two.example");
	struct rule rule;
	size_t bytes;
	const void *net;

	given_policy(text, &p, &blob);
	net = profile_network(p, 1, &bytes);
	assert_int_equal(policy_open(net, bytes, &a, NULL), 0);
	net = profile_network(p, 2, &bytes);
	assert_int_equal(policy_open(net, bytes, &b, NULL), 0);
	assert_int_equal(verdict_of(p, "agent.example"), VERDICT_ALLOW);
	assert_int_equal(verdict_of(p, "one.example"), VERDICT_NONE);
	assert_int_equal(verdict_of(a, "one.example"), VERDICT_ALLOW);
	assert_int_equal(verdict_of(a, "x.two.example"), VERDICT_ALLOW);
	assert_int_equal(verdict_of(a, "three.example"), VERDICT_NONE);
	assert_int_equal(verdict_of(a, "agent.example"), VERDICT_NONE);
	assert_int_equal(verdict_of(b, "three.example"), VERDICT_ALLOW);
	m = policy_match_name(a, SCHEME_HTTPS, &n, 443);
	assert_int_equal(m.verdict, VERDICT_DENY);
	policy_rule(a, m.rule, &rule);
	assert_string_equal(rule.reason, "no");
	assert_int_equal(rule.line, 7);
	assert_int_equal(policy_match_addr(b, IPPROTO_TCP, &in, 443).verdict, VERDICT_ALLOW);
	assert_int_equal(policy_match_addr(b, IPPROTO_TCP, &denied, 443).verdict, VERDICT_DENY);
	n = name("one.example");
	assert_int_equal(policy_pin(a, &n, &pin, 1), 1);
	assert_int_equal(policy_dns_servers(b), 1);
	assert_int_equal(policy_mode(a), MODE_AUDIT);
	assert_int_equal(policy_profiles(a), 1);
	policy_free(a);
	policy_free(b);
	policy_free(p);
}

/* Any byte of a blob may be anybody's: it opens, or not, and everything in it can be read. */
static void test_damaged(void **state)
{
	static const char text[] =
	    "version: 1\nagent: {read: [/usr], env: [A]}\n"
	    "tools: {a: {command: [/x, \"{word}\"], egress: [one.example]}}\n";
	_cleanup_free_ void *blob = NULL, *copy = NULL;
	struct policy *p;
	struct diags d;
	size_t bytes;

	assert_int_equal(policy_compile("/p", text, strlen(text), &d, &blob, &bytes), 0);
	diags_done(&d);
	copy = malloc(bytes);
	for (size_t i = 0; i < bytes; i++) {
		memcpy(copy, blob, bytes);
		((uint8_t *)copy)[i] ^= 0xff;
		if (policy_open(copy, bytes, &p, NULL) < 0)
			continue;
		for (size_t k = 0; k < policy_profiles(p); k++) {
			struct profile f;
			struct profile_path x;

			policy_profile(p, k, &f);
			for (size_t j = 0; j < f.n_paths; j++)
				profile_path(p, k, j, &x);
			for (size_t j = 0; j < f.n_command; j++)
				assert_non_null(profile_command(p, k, j));
		}
		policy_free(p);
	}
}

/* ---- command lines ------------------------------------------------------- */

static int in_workspace(void *arg, const char *value, const char *workspace, char *ret,
			size_t bytes, struct err *e)
{
	if (strstr(value, ".."))
		return err_set(e, EPERM, "not in the workspace");
	snprintf(ret, bytes, "%s/%s", strcmp(workspace, "/") == 0 ? "" : workspace, value);
	return 0;
}

/* The words joined with '|'; NULL: refused, and the reason is in *e. */
static const char *build(const char *command, char *const *values, size_t n, struct err *e)
{
	static char joined[1000];
	_cleanup_free_ void *blob = NULL;
	char text[1000], **argv;
	struct policy *p;
	int r;

	snprintf(text, sizeof(text), "version: 1\ntools: {t: {broad: true, command: [/x, %s]}}\n",
		 command);
	given_policy(text, &p, &blob);
	r = command_build(p, 1, values, n, in_workspace, NULL, &argv, e);
	joined[0] = '\0';
	for (size_t i = 1; r == 0 && argv[i]; i++)
		snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%s",
			 i > 1 ? "|" : "", argv[i]);
	if (r == 0)
		command_free(argv);
	policy_free(p);
	return r == 0 ? joined : NULL;
}

static const struct {
	const char *command, *value, *result; /* NULL: refused */
} lines[] = {
    {"\"{word}\"", "abc-1.2", "abc-1.2"},
    {"\"{word}\"", "-abc", NULL},
    {"\"{word}\"", "", NULL},
    {"\"{word}\"", "a b", NULL},
    {"\"{word}\"", "a;b", NULL},
    {"\"{word}\"", "a\nb", NULL},
    {"\"{word}\"", "\xc3\xa9", NULL},
    {"\"--name={word}\"", "-abc", "--name=-abc"},
    {"--, \"{word}\"", "-abc", "--|-abc"},
    {"\"{text}\"", "a b; $(c) 'd' \xc3\xa9", "a b; $(c) 'd' \xc3\xa9"},
    {"\"{text}\"", "--upload-file=/etc/passwd", NULL},
    {"\"{text}\"", "-", NULL},
    {"\"{text}\"", "a\nb", NULL},
    {"\"{text}\"", "a\x1b[31mb", NULL},
    {"\"{text}\"",
     "a\xc2\x9b"
     "31mb",
     NULL},
    {"\"{text:lines}\"", "a\n\tb", "a\n\tb"},
    {"\"{text:lines}\"", "a\rb", NULL},
    {"\"{text}\"", "", ""},
    {"\"{int:1-100}\"", "1", "1"},
    {"\"{int:1-100}\"", "100", "100"},
    {"\"{int:1-100}\"", "0", NULL},
    {"\"{int:1-100}\"", "101", NULL},
    {"\"{int:1-100}\"", "1x", NULL},
    {"\"{int:1-100}\"", " 1", NULL},
    {"\"{int:1-100}\"", "+1", NULL},
    {"\"{int:1-100}\"", "0x10", NULL},
    {"\"{int:1-100}\"", "99999999999999999999", NULL},
    {"\"{int:-5-5}\"", "-5", "-5"},
    {"\"{url}\"", "https://a.example/x?y=z#f", "https://a.example/x?y=z#f"},
    {"\"{url}\"", "http://a.example", "http://a.example"},
    {"\"{url}\"", "file:///etc/passwd", NULL},
    {"\"{url}\"", "https://", NULL},
    {"\"{url}\"", "https://user:pw@a.example/", NULL},
    {"\"{url}\"", "https://a.example/{1,2}", NULL},
    {"\"{url}\"", "https://a.example/\n-o", NULL},
    {"\"{url}\"", "-K/etc/curlrc", NULL},
    {"\"{path:workspace}\"", "a/b", "/a/b"},
    {"\"{path:workspace}\"", "../b", NULL},
    {"\"{path:workspace}\"", "", NULL},
    {"\"{path:workspace}\"", "a\nb", NULL},
    {"\"{path:workspace}\"", "-x", "/-x"},
    {"\"{{{word}}}\"", "v", "{v}"},
    {"\"{args}\"", "--anything", "--anything"},
};

static void test_values(void **state)
{
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char *values[] = {(char *)lines[i].value};
		struct err e = {0};
		const char *got = build(lines[i].command, values, 1, &e);
		bool same = lines[i].result ? got && strcmp(got, lines[i].result) == 0 : !got;

		if (!same)
			print_error("%s with '%s': %s, not %s (%s)\n", lines[i].command,
				    lines[i].value, got ? got : "refused",
				    lines[i].result ? lines[i].result : "refused", e.msg);
		ok &= same;
	}
	assert_true(ok);
}

/* Too few or too many: said, with how the tool is called. */
static void test_count(void **state)
{
	char *values[] = {"a", "b", "c"};
	struct err e = {0};

	assert_null(build("\"{word}\", \"{int:1-9}\"", values, 1, &e));
	assert_string_equal(e.msg, "t: {int:1-9} is missing");
	assert_string_equal(e.hint, "usage: t {word} {int:1-9}");
	assert_null(build("\"{word}\", fixed", values, 3, &e));
	assert_string_equal(e.msg, "t: 2 arguments too many");
	assert_string_equal(build("\"{args}\"", values, 3, &e), "a|b|c");
	assert_string_equal(build("\"{args}\"", values, 0, &e), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_errors),      cmocka_unit_test(test_read_back),
	    cmocka_unit_test(test_own_network), cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_values),      cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
