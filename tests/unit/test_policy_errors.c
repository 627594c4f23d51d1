// SPDX-License-Identifier: GPL-2.0-or-later
/* Policies: every kind of error and warning with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/policy.h"
#include "tests/unit/lab/policies.h"

/* ---- errors -------------------------------------------------------------- */

static const struct {
	const char *text;
	unsigned line, col;
	const char *says, *hint;
} wrong[] = {
    {"", 1, 1, "empty", "version: 1"},
    {"# nothing\n", 2, 1, "empty", "version: 1"},
    {"[]", 1, 1, "must be a mapping", ""},
    {"mode: audit\n", 1, 1, "version", "version: 1"},
    {"version: 2\n", 1, 10, "version 1", ""},
    {HEAD "version: 1\n", 2, 1, "'version' appears twice", ""},
    {HEAD "egres: []\n", 2, 1, "unknown key 'egres'", "did you mean 'egress'?"},
    {HEAD "zzzzzzz: []\n", 2, 1, "unknown key 'zzzzzzz'", "it takes: version, mode"},
    {HEAD "mode: off\n", 2, 7, "enforce or audit", ""},
    {HEAD "egress: a.example\n", 2, 9, "must be a list", ""},
    {HEAD "egress:\n", 2, 8, "must be a list", ""},
    {HEAD "egress:\n  - *.x.example\n", 3, 5, "alias", "must be quoted"},
    {HEAD "egress: [*a]\n", 2, 10, "alias", "must be quoted"},
    {HEAD "egress: [&a b.example]\n", 2, 10, "anchors", ""},
    {HEAD "egress: [!!str b.example]\n", 2, 10, "tags", ""},
    {HEAD "egress: [\"\\0\"]\n", 2, 10, "must be text", ""},
    {HEAD "egress: [[a.example]]\n", 2, 10, "must be text", ""},
    {HEAD "egress: [\n", 3, 1, "not YAML", ""},
    {HEAD "egress: [a.example,\n  b.example\n", 4, 1, "it began in line 2", "indentation"},
    {HEAD "egress:\n\t- a.example\n", 3, 1, "not YAML", "never with tabs"},
    {HEAD "# \xc3\xa4\xc3\xb6\nmode:\n\taudit: \xc3\xbc\n", 4, 1, "not YAML", "never with tabs"},
    {HEAD "# \xc3\xa4 \xff\n", 2, 5, "not YAML", "text in UTF-8"},
    {HEAD "mode: a\x01\n", 2, 8, "not YAML", "text in UTF-8"},
    {HEAD "egerss: []\n", 2, 1, "unknown key 'egerss'", "did you mean 'egress'?"},
    {HEAD "work: .\n", 2, 1, "unknown key 'work'", "did you mean 'workspace'?"},
    {HEAD "---\nversion: 1\n", 2, 1, "second YAML document", ""},
    {HEAD "egress: [openaii]\n", 2, 10, "no group 'openaii'", "did you mean 'openai'?"},
    {HEAD "egress: [intranet]\n", 2, 10, "no group 'intranet'", "agentctl policy groups"},
    {HEAD "egress: [intranet]\n", 2, 10, "no group 'intranet'", "https://intranet"},
    {HEAD "egress: [\"*foo.com\"]\n", 2, 11, "wildcard", "*.example.com"},
    {HEAD "egress:\n  - a.*\n", 3, 7, "wildcard", "*.example.com"},
    {HEAD "egress:\n  - a.*.b\n", 3, 7, "wildcard", "*.example.com"},
    {HEAD "egress: [\"*.com\"]\n", 2, 11, "everybody", "broad: true"},
    {HEAD "egress: [\"*.CO.UK\"]\n", 2, 11, "everybody", "broad: true"},
    {HEAD "egress: [\"*.s3.amazonaws.com\"]\n", 2, 11, "everybody", "broad: true"},
    {HEAD "egress: [\"*.s3.us-east-1.amazonaws.com\"]\n", 2, 11, "everybody", ""},
    {HEAD "egress: [\"*.github.io\"]\n", 2, 11, "everybody", "broad: true"},
    {HEAD "egress: [\"*\"]\n", 2, 11, "every host", "broad: true"},
    {HEAD "egress: [0.0.0.0/0]\n", 2, 10, "internet", "broad: true"},
    {HEAD "egress: [\"::/0\"]\n", 2, 11, "internet", "broad: true"},
    {HEAD "egress: [128.0.0.0/1]\n", 2, 10, "internet", "broad: true"},
    {HEAD "egress: [10.0.0.1/8]\n", 2, 10, "behind its prefix length", "10.0.0.0/8"},
    {HEAD "egress: [b\xc3\xbc.example]\n", 2, 11, "not ASCII", "punycode"},
    {HEAD "egress: [tcp://a.example]\n", 2, 25, "port is missing", ""},
    {HEAD "egress: [a.example/x]\n", 2, 10, "CIDR", "no path"},
    {HEAD "egress: [tcp://a.example:53]\n", 2, 26, "fence's own resolver", "dns.servers"},
    {HEAD "egress: [udp://10.0.0.0/8:53]\n", 2, 27, "fence's own resolver", "dns.hosts"},
    {HEAD "egress: [\"udp://[2001:db8::1]:5353,53\"]\n", 2, 36, "fence's own resolver", ""},
    {HEAD "egress:\n  - {to: \"*.a.example:443,53,8053\"}\n", 3, 27, "own resolver", ""},
    {HEAD "egress: [tcp://localhost:53]\n", 2, 26, "fence's own resolver", ""},
    {HEAD "egress: [quic://a.example]\n", 2, 10, "does not enforce quic", "https"},
    {HEAD "egress:\n  - {to: a.example, quic: check}\n", 3, 27, "quic: check", ""},
    {HEAD "egress:\n  - {to: a.example, quic: yes}\n", 3, 27, "is deny", ""},
    {HEAD "egress:\n  - addresses: [10.0.0.0/8]\n", 3, 5, "no 'to'", "to: host"},
    {HEAD "egress:\n  - {to: a.example, addresses: [10.0.0.1/8]}\n", 3, 33, "address",
     "10.0.0.0/8"},
    {HEAD "egress:\n  - {to: a.example, broad: maybe}\n", 3, 28, "true or false", ""},
    {HEAD "egress:\n  - {to: a.example, tls: {ech: no}}\n", 3, 32, "deny or allow", ""},
    {HEAD "egress:\n  - {to: a.example, reason: x}\n", 3, 21, "unknown key 'reason'", ""},
    {HEAD "deny:\n  - {to: a.example, broad: true}\n", 3, 21, "unknown key 'broad'", ""},
    {HEAD "deny:\n  - {to: a.example, reason: \"\\e[2J\"}\n", 3, 29, "reason", ""},
    {HEAD "deny: [openai]\n", 2, 8, "'openai' is a group", "agentctl policy groups openai"},
    {HEAD "deny: [intranet]\n", 2, 8, "'intranet' is none", "https://intranet"},
    {HEAD "dns: {servers: []}\n", 2, 16, "empty", "leave the key out"},
    {HEAD "dns: {servers: [dns.example]}\n", 2, 17, "is an address", ""},
    {HEAD "dns: {servers: [10.0.0.0/8]}\n", 2, 17, "is an address", ""},
    {HEAD "dns: {hosts: {a.example: b.example}}\n", 2, 26, "address is expected", ""},
    {HEAD "dns: {hosts: {\"*.example\": 10.0.0.1}}\n", 2, 15, "host name", "wildcards"},
    {HEAD "dns: {hosts: {a.b: 10.0.0.1, A.B.: 10.0.0.2}}\n", 2, 30, "pinned twice", ""},
    {HEAD "dns: {hosts: {a.b: []}}\n", 2, 21, "empty", ""},
    {HEAD "audit: {dir: ~/x}\n", 2, 14, "not expanded", ""},
    {HEAD "audit: {capture: {snaplen: 12}}\n", 2, 28, "from 64 to 65535", ""},
    {HEAD "audit: {capture: {snaplen: -1}}\n", 2, 28, "from 64 to 65535", ""},
    {HEAD "audit: {capture: {size: 64M}}\n", 2, 25, "does not enforce 'size'", ""},
    {HEAD "audit: {capture: {files: 4}}\n", 2, 26, "does not enforce 'files'", ""},
    {HEAD "agent: {user: \"\"}\n", 2, 15, "'user'", ""},
};

static bool as_expected(size_t i, int r, const struct diags *d)
{
	const struct diag *x = d->list;

	if (r == -EINVAL && d->n == 1 && x->line == wrong[i].line && x->col == wrong[i].col &&
	    !x->warning && strstr(x->msg, wrong[i].says) && strstr(x->hint, wrong[i].hint))
		return true;
	print_error("case %zu, expected %u:%u: %s\n%s", i, wrong[i].line, wrong[i].col,
		    wrong[i].says, wrong[i].text);
	print_diags(d);
	return false;
}

static void test_errors(void **state)
{
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct diags d;
		size_t bytes;
		void *blob;
		int r = policy_compile("p.yaml", wrong[i].text, strlen(wrong[i].text), &d, &blob,
				       &bytes);

		ok &= as_expected(i, r, &d);
		diags_done(&d);
	}
	assert_true(ok);
}

/* All errors in one run, by place; past the limit they are counted. */
static void test_all_errors(void **state)
{
	char text[8192] = "version: 3\nmode: off\nagent: {reed: 1}\negress:\n";
	struct diags d;
	size_t bytes;
	void *blob;

	for (int i = 0; i < 150; i++)
		strcat(text, "  - a..b\n");
	assert_int_equal(policy_compile("p", text, strlen(text), &d, &blob, &bytes), -EINVAL);
	assert_int_equal(d.n, DIAGS_MAX);
	assert_int_equal(d.n_errors, 153);
	assert_int_equal(d.left_out, 53);
	assert_int_equal(d.list[0].line, 1);
	assert_int_equal(d.list[2].line, 3);
	assert_string_equal(d.list[2].hint, "did you mean 'read'?");
	assert_int_equal(d.list[3].line, 5);
	assert_int_equal(d.list[4].line, 6);
	diags_done(&d);
}

/* A list or a mapping where a word belongs is one error, and what follows is read as what it is. */
static void test_shapes(void **state)
{
	static const char *const entry[] = {"to", "addresses", "tls", "quic", "broad"},
				 *const top[] = {"version", "mode", "egress", "dns", "audit"},
				 *const values[] = {"{y: [z, {w: v}]}", "[[x], {y: z}]"};
	char text[512];
	struct diags d;
	size_t bytes;
	void *blob;

	for (size_t i = 0; i < 4 * sizeof(entry) / sizeof(entry[0]); i++) {
		size_t key = i / 4;
		bool inner = i % 4 < 2;

		if (inner)
			snprintf(text, sizeof(text),
				 HEAD "egress:\n  - %s%s: %s\ndeny:\n  - a..b\n",
				 key ? "to: a.example\n    " : "", entry[key], values[i % 2]);
		else
			snprintf(text, sizeof(text), "%s%s: %s\ndeny:\n  - a..b\n", key ? HEAD : "",
				 top[key], values[i % 2]);
		assert_int_equal(policy_compile("p", text, strlen(text), &d, &blob, &bytes),
				 -EINVAL);
		assert_true(d.n >= 2);
		for (size_t k = 0; k + 1 < d.n; k++)
			if (strstr(d.list[k].msg, "unknown key") && !strstr(d.list[k].msg, "'y'"))
				fail_msg("%s\n%s", text, d.list[k].msg);
		if (!strstr(d.list[d.n - 1].msg, "a..b"))
			fail_msg("%s\n%s", text, d.list[d.n - 1].msg);
		diags_done(&d);
	}
}

static void test_warnings(void **state)
{
	static const char text[] = HEAD "egress:\n"
					"  - a.example\n"
					"  - github\n"
					"  - github.com\n"            /* 5: no warning */
					"  - https://A.example:443\n" /* 6: as line 3 */
					"  - \"*.up.cdn.example\"\n"  /* 7: denied by 14 */
					"  - 10.1.2.0/24:22\n"        /* 8: denied by 15 */
					"  - b.example:443,8443\n"    /* 9: only 443 denied */
					"  - 10.0.0.0/8:443\n"
					"  - 10.0.0.0/8:443\n" /* 11: as line 10 */
					"dns: {hosts: {a.example: 10.0.0.1, c.example: 10.0.0.2}}\n"
					"deny:\n"
					"  - \"*.cdn.example\"\n"
					"  - 10.1.0.0/16\n"
					"  - https://b.example\n";
	static const struct {
		unsigned line, col;
		const char *says;
	} want[] = {{6, 5, "line 3"},
		    {7, 5, "denied whole by line 14"},
		    {8, 5, "denied whole by line 15"},
		    {11, 5, "line 10"},
		    {12, 36, "no egress entry"}};
	struct diags d;
	size_t bytes;
	void *blob;

	assert_int_equal(policy_compile("p", text, strlen(text), &d, &blob, &bytes), 0);
	print_diags(&d);
	assert_int_equal(d.n, ARRAY_SIZE(want));
	assert_int_equal(d.n_errors, 0);
	for (size_t i = 0; i < d.n; i++) {
		assert_true(d.list[i].warning);
		assert_int_equal(d.list[i].line, want[i].line);
		assert_int_equal(d.list[i].col, want[i].col);
		assert_non_null(strstr(d.list[i].msg, want[i].says));
	}
	diags_done(&d);
	free(blob);
}

/* Endpoints beside `network: none`: one warning, at the first; what is denied is no contradiction.
 */
static void test_cut_off(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} cases[] = {
	    {HEAD "agent: {network: none}\ndeny: [c.example]\negress: [a.example, b.example]\n", 1},
	    {HEAD "agent: {network: none}\ningress: [127.0.0.1:80]\n", 1},
	    {HEAD "agent: {network: none}\ndeny: [a.example]\n", 0},
	    {HEAD "agent: {user: alice}\negress: [a.example]\n", 0},
	    {HEAD "tools: {a: {command: [/x], network: none}}\negress: [a.example]\n", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct diags d;
		size_t bytes;
		void *blob;

		assert_int_equal(
		    policy_compile("p", cases[i].text, strlen(cases[i].text), &d, &blob, &bytes),
		    0);
		print_diags(&d);
		assert_int_equal(d.n, cases[i].n);
		for (size_t k = 0; k < d.n; k++) {
			assert_true(d.list[k].warning);
			assert_non_null(strstr(d.list[k].msg, "network: none"));
			assert_int_equal(d.list[k].line, i ? 3 : 4);
		}
		diags_done(&d);
		free(blob);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_errors),  cmocka_unit_test(test_all_errors),
	    cmocka_unit_test(test_shapes),  cmocka_unit_test(test_warnings),
	    cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests_name("policy errors", tests, NULL, NULL);
}
