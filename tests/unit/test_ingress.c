// SPDX-License-Identifier: GPL-2.0-or-later
/* `ingress`: every kind of error with its place, what matches, and the same as pairs for the
 * kernel.
 */
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

#define HEAD "version: 1\n"
#define IN   HEAD "ingress:\n  - "

/* ---- errors -------------------------------------------------------------- */

static const struct {
	const char *text;
	unsigned line, col;
	const char *says, *hint;
} wrong[] = {
    {HEAD "ingress: 127.0.0.1:1\n", 2, 10, "must be a list", ""},
    {HEAD "ingress: [[127.0.0.1:1]]\n", 2, 11, "must be text", "ADDRESS:PORT"},
    {IN "127.0.0.1\n", 3, 14, "port is missing", "ADDRESS:PORT"},
    {IN "\"[::1]\"\n", 3, 11, "port is missing", "ADDRESS:PORT"},
    {IN "10.0.0.0/8\n", 3, 15, "port is missing", ""},
    {IN "2001:db8::/32\n", 3, 18, "port is missing", ""},
    {IN "localhost\n", 3, 14, "port is missing", ""},
    {IN "udp://127.0.0.1\n", 3, 20, "port is missing", ""},
    {IN "127.0.0.1:0\n", 3, 15, "from 1 to 65535", ""},
    {IN "10.0.0.1/8:80\n", 3, 5, "behind its prefix length", "10.0.0.0/8"},
    {IN "a.example:80\n", 3, 5, "not by a name", "127.0.0.1:PORT"},
    {IN "ollama:80\n", 3, 5, "not by a name", "localhost:PORT"},
    {IN "openai\n", 3, 5, "not by a name", ""},
    {IN "\"*.a.example:80\"\n", 3, 6, "not by a name", ""},
    {IN "\"*:80\"\n", 3, 6, "address that it has", "0.0.0.0/0:PORT"},
    {IN "0.0.0.0:80\n", 3, 5, "means any address", "0.0.0.0/0:PORT"},
    {IN "\"[::]:80\"\n", 3, 6, "means any address", "[::/0]:PORT"},
    {IN "https://127.0.0.1:80\n", 3, 5, "address alone", "udp://ADDRESS:PORT"},
    {IN "http://127.0.0.1\n", 3, 5, "address alone", "ADDRESS:PORT"},
    {IN "tls://127.0.0.1:80\n", 3, 5, "address alone", ""},
    {IN "quic://127.0.0.1:80\n", 3, 5, "address alone", ""},
    {IN "icmp://127.0.0.1\n", 3, 5, "address alone", ""},
    {IN "0.0.0.0/0:80\n", 3, 5, "everybody", "broad: true"},
    {IN "\"udp://[::/0]:80\"\n", 3, 6, "everybody", "from:"},
    {IN "{to: 0.0.0.0/0:80, from: [128.0.0.0/1]}\n", 3, 10, "everybody", "broad: true"},
    {IN "{to: 0.0.0.0/0:80, broad: false}\n", 3, 10, "everybody", "broad: true"},
    {IN "{from: [10.0.0.0/8]}\n", 3, 5, "no 'to'", "ADDRESS:PORT"},
    {IN "{to: [127.0.0.1:80]}\n", 3, 10, "must be text", ""},
    {IN "{to: 127.0.0.1:80, from: []}\n", 3, 30, "is empty", "leave the whole entry out"},
    {IN "{to: 127.0.0.1:80, from: 10.0.0.0/8}\n", 3, 30, "must be a list", ""},
    {IN "{to: 127.0.0.1:80, from: [localhost]}\n", 3, 31, "an address or a prefix", "10.0.0.0/8"},
    {IN "{to: 127.0.0.1:80, from: [10.0.0.1/8]}\n", 3, 31, "an address or a prefix", "10.0.0.0/8"},
    {IN "{to: 0.0.0.0/0:80, from: [x]}\n", 3, 31, "an address or a prefix", ""},
    {IN "{to: 127.0.0.1:80, from: [\"::1\"]}\n", 3, 10, "not both IPv4", "two entries"},
    {IN "{to: \"[::1]:80\", from: [\"::1\", 127.0.0.1]}\n", 3, 11, "not both IPv4", ""},
    {IN "{to: 127.0.0.1:80, broad: maybe}\n", 3, 31, "true or false", ""},
    {IN "{to: 127.0.0.1:80, reason: x}\n", 3, 24, "unknown key 'reason'", ""},
};

static bool as_expected(size_t i, int r, const struct diags *d)
{
	const struct diag *x = d->list;

	if (r == -EINVAL && d->n == 1 && x->line == wrong[i].line && x->col == wrong[i].col &&
	    !x->warning && strstr(x->msg, wrong[i].says) && strstr(x->hint, wrong[i].hint))
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
		int r = policy_compile("/p.yaml", wrong[i].text, strlen(wrong[i].text), &d, &blob,
				       &bytes);

		ok &= as_expected(i, r, &d);
		diags_done(&d);
	}
	assert_true(ok);
}

/* Everything wrong with one entry is told in one run. */
static void test_all_errors(void **state)
{
	static const char text[] = IN "{broad: maybe, from: [x, y], to: a.example:80}\n";
	struct diags d;
	size_t bytes;
	void *blob;

	assert_int_equal(policy_compile("/p", text, strlen(text), &d, &blob, &bytes), -EINVAL);
	assert_int_equal(d.n_errors, 4);
	diags_done(&d);
}

static void test_warnings(void **state)
{
	static const char text[] = HEAD "ingress:\n"
					"  - 127.0.0.1:80\n"
					"  - tcp://127.0.0.1:80\n" /* 4: as line 3 */
					"  - {to: 127.0.0.1:80, from: [127.0.0.2]}\n"
					"  - udp://127.0.0.1:80\n"
					"  - {to: 127.0.0.1:80, from: [127.0.0.2]}\n"; /* 7: as 5 */
	struct diags d;
	size_t bytes;
	void *blob;

	assert_int_equal(policy_compile("/p", text, strlen(text), &d, &blob, &bytes), 0);
	assert_int_equal(d.n, 2);
	assert_true(d.list[0].warning && d.list[0].line == 4 && strstr(d.list[0].msg, "line 3"));
	assert_true(d.list[1].warning && d.list[1].line == 7 && strstr(d.list[1].msg, "line 5"));
	diags_done(&d);
	free(blob);
}

/* ---- matching ------------------------------------------------------------ */

struct ask {
	const char *listener, *peer;
	enum verdict verdict;
	unsigned line; /* of the rule; 0: none */
};

static void check(const struct policy *p, const struct ask *ask, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct addr peer = addr(ask[i].peer);
		struct endpoint ep;
		struct rule rule = {0};
		struct match m;

		assert_int_equal(
		    endpoint_parse(ask[i].listener, strlen(ask[i].listener), &ep, NULL, NULL), 0);
		m = policy_match_ingress(p, scheme_l4proto(ep.scheme), &ep.prefix.addr, ep.ports[0],
					 &peer);
		if (m.rule != RULE_NONE)
			policy_rule(p, m.rule, &rule);
		if (m.verdict != ask[i].verdict || rule.line != ask[i].line)
			fail_msg("%s from %s: verdict %d by line %u", ask[i].listener, ask[i].peer,
				 m.verdict, rule.line);
	}
}

static void test_match(void **state)
{
	static const char text[] = HEAD "ingress:\n"
					"  - 127.0.0.1:80,81\n"
					"  - \"[2001:db8::1]:80\"\n"
					"  - udp://localhost:53\n"
					"  - {to: 0.0.0.0/0:90, from: [10.0.0.0/8, 192.0.2.1]}\n"
					"  - {to: 10.1.0.0/16:90, from: [198.51.100.0/24]}\n"
					"  - {to: \"[::/0]:91\", broad: true}\n"
					"egress: [192.0.2.0/24:443]\n"
					"deny: [10.0.0.0/8]\n"; /* speaks of egress alone */
	static const struct ask asks[] = {
	    {"tcp://127.0.0.1:80", "127.0.0.1", VERDICT_ALLOW, 3},
	    {"tcp://127.0.0.1:81", "127.9.9.9", VERDICT_ALLOW, 3},
	    {"tcp://127.0.0.1:82", "127.0.0.1", VERDICT_NONE, 0},
	    {"tcp://127.0.0.2:80", "127.0.0.1", VERDICT_NONE, 0},
	    {"udp://127.0.0.1:80", "127.0.0.1", VERDICT_NONE, 0},
	    {"tcp://[2001:db8::1]:80", "2001:db8::9", VERDICT_ALLOW, 4},
	    {"tcp://[2001:db8::2]:80", "2001:db8::9", VERDICT_NONE, 0},
	    {"udp://127.0.0.1:53", "127.0.0.1", VERDICT_ALLOW, 5},
	    {"udp://[::1]:53", "::1", VERDICT_ALLOW, 5},
	    {"tcp://[::1]:53", "::1", VERDICT_NONE, 0},
	    {"tcp://10.1.2.3:90", "10.9.9.9", VERDICT_ALLOW, 6},
	    {"tcp://10.1.2.3:90", "192.0.2.1", VERDICT_ALLOW, 6},
	    {"tcp://10.1.2.3:90", "198.51.100.7", VERDICT_ALLOW, 7},
	    {"tcp://10.2.2.3:90", "198.51.100.7", VERDICT_DENY, 6},
	    {"tcp://10.1.2.3:90", "203.0.113.1", VERDICT_DENY, 7},
	    {"tcp://[2001:db8::5]:91", "2001:db8::6", VERDICT_ALLOW, 8},
	    {"tcp://10.1.2.3:91", "10.0.0.1", VERDICT_NONE, 0},
	    {"tcp://192.0.2.1:443", "192.0.2.1", VERDICT_NONE, 0},
	};
	_cleanup_free_ void *blob = NULL, *least = NULL;
	struct addr a = addr("192.0.2.1");
	struct prefix peer;
	struct policy *p;
	struct rule r;
	char buf[PREFIX_STRLEN];

	given_policy(text, &p, &blob);
	check(p, asks, ARRAY_SIZE(asks));
	policy_rule(p, 0, &r);
	assert_true(r.ingress && !r.deny && !r.broad);
	assert_string_equal(r.text, "tcp://127.0.0.1:80,81");
	policy_rule(p, 5, &r);
	assert_true(r.ingress && r.broad);
	policy_rule(p, 6, &r);
	assert_false(r.ingress);
	assert_int_equal(policy_rule_peers(p, 3), 2);
	peer = policy_rule_peer(p, 3, 1);
	assert_string_equal(prefix_format(&peer, buf), "192.0.2.1");
	/* a listener is no endpoint */
	assert_int_equal(
	    policy_match_addr(p, IPPROTO_TCP, &(struct addr){4, {127, 0, 0, 1}}, 80).verdict,
	    VERDICT_NONE);
	assert_int_equal(policy_match_addr(p, IPPROTO_TCP, &a, 443).verdict, VERDICT_ALLOW);
	policy_free(p);

	given_policy(HEAD "ingress: []\n", &p, &least);
	assert_int_equal(policy_ingress_rules(p), 0);
	policy_free(p);
}

static struct policy *own_network(const struct policy *p, size_t profile)
{
	size_t bytes;
	const void *blob = profile_network(p, profile, &bytes);
	struct policy *net;

	assert_non_null(blob);
	assert_int_equal(policy_open(blob, bytes, &net, NULL), 0);
	return net;
}

/* A tool's own, and none of the agent's. */
static void test_tool(void **state)
{
	static const char text[] = HEAD "ingress: [127.0.0.1:80]\n"
					"tools:\n"
					"  a: {command: [/x], ingress: [127.0.0.1:90]}\n"
					"  b: {command: [/x], egress: [b.example]}\n"
					"  c: {command: [/x], egress: [c.example], ingress: []}\n";
	static const struct ask agent[] = {
	    {"tcp://127.0.0.1:80", "127.0.0.1", VERDICT_ALLOW, 2},
	    {"tcp://127.0.0.1:90", "127.0.0.1", VERDICT_NONE, 0},
	};
	static const struct ask a[] = {
	    {"tcp://127.0.0.1:90", "127.0.0.1", VERDICT_ALLOW, 4},
	    {"tcp://127.0.0.1:80", "127.0.0.1", VERDICT_NONE, 0},
	};
	_cleanup_free_ void *blob = NULL;
	struct policy *p, *net;
	struct profile f;

	given_policy(text, &p, &blob);
	check(p, agent, ARRAY_SIZE(agent));
	policy_profile(p, 1, &f);
	assert_true(f.own_network && !f.no_network);
	net = own_network(p, 1);
	check(net, a, ARRAY_SIZE(a));
	assert_int_equal(policy_rules(net), 1);
	policy_free(net);
	for (size_t i = 2; i < 4; i++) {
		net = own_network(p, i);
		assert_int_equal(policy_ingress_rules(net), 0);
		assert_int_equal(policy_rules(net), 1);
		policy_free(net);
	}
	policy_free(p);
}

/* ---- pairs --------------------------------------------------------------- */

static size_t holders(const struct ingress_pair *list, size_t n, const struct addr *peer,
		      const struct addr *local, uint8_t l4proto, uint16_t port)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += list[i].l4proto == l4proto && list[i].port == port &&
			 prefix_contains(&list[i].peer, peer) &&
			 prefix_contains(&list[i].local, local);
	return found;
}

static void random_entry(unsigned *seed, bool v6, char *to)
{
	char local[64], peer[64];

	for (int i = 0; i < 2; i++) {
		unsigned bits = (unsigned)rand_r(seed) % 9,
			 x = (unsigned)rand_r(seed) & 0xff & ~(0xffu >> bits);

		if (v6)
			sprintf(i ? peer : local, "2001:db8::%x/%u", x, 120 + bits);
		else
			sprintf(i ? peer : local, "10.0.0.%u/%u", x, 24 + bits);
	}
	sprintf(to, "  - {to: \"%s[%s]:%d\", from: [\"%s\"]}\n", rand_r(seed) % 4 ? "" : "udp://",
		local, 1 + rand_r(seed) % 2, peer);
	if (!v6)
		for (char *s = to; (s = strpbrk(s, "[]")) && s < strstr(to, "from");)
			memmove(s, s + 1, strlen(s));
}

/* What the kernel's set holds is what the match says, and it holds nothing twice. */
static void test_pairs(void **state)
{
	unsigned seed = 1;

	for (int round = 0; round < 60; round++) {
		bool v6 = round % 2;
		char text[4096] = HEAD "ingress:\n";
		_cleanup_free_ struct ingress_pair *list = NULL;
		_cleanup_free_ void *blob = NULL;
		struct policy *p;
		size_t n;

		for (int i = 0; i < 12; i++)
			random_entry(&seed, v6, text + strlen(text));
		given_policy(text, &p, &blob);
		assert_int_equal(policy_ingress_pairs(p, v6 ? 6 : 4, &list, &n), 0);
		for (int i = 0; i < 2000; i++) {
			struct addr peer = addr(v6 ? "2001:db8::" : "10.0.0.0"), local = peer;
			size_t last = v6 ? 15 : 3;
			uint8_t l4proto = rand_r(&seed) % 2 ? IPPROTO_TCP : IPPROTO_UDP;
			uint16_t port = (uint16_t)(1 + rand_r(&seed) % 2);
			struct match m;

			peer.b[last] = (uint8_t)rand_r(&seed);
			local.b[last] = (uint8_t)rand_r(&seed);
			m = policy_match_ingress(p, l4proto, &local, port, &peer);
			assert_int_equal(holders(list, n, &peer, &local, l4proto, port),
					 m.verdict == VERDICT_ALLOW);
		}
		policy_free(p);
	}
}

/* Local processes, and a site: two entries that lie across each other. */
static void test_pairs_across(void **state)
{
	_cleanup_free_ struct ingress_pair *list = NULL, *none = NULL;
	_cleanup_free_ void *blob = NULL;
	struct policy *p;
	size_t n;

	given_policy(HEAD "ingress: [{to: 0.0.0.0/0:80, from: [10.0.0.0/8]}, 127.0.0.1:80, "
			  "{to: 10.1.0.0/16:80, from: [10.0.0.0/9]}]\n",
		     &p, &blob);
	assert_int_equal(policy_ingress_pairs(p, 4, &list, &n), 0);
	assert_int_equal(n, 1 + 8); /* to 127.0.0.1 from what is not in 10.0.0.0/8 */
	assert_int_equal(policy_ingress_pairs(p, 6, &none, &n), 0);
	assert_int_equal(n, 0);
	policy_free(p);
}

/* More than the kernel's set is to hold: said at the first entry, for the agent and for a tool. */
static void test_too_many(void **state)
{
	for (int tool = 0; tool < 2; tool++) {
		char *text = NULL;
		size_t bytes;
		FILE *f = open_memstream(&text, &bytes);
		struct diags d;
		void *blob;

		assert_non_null(f);
		fprintf(f, HEAD "%s",
			tool ? "tools: {t: {command: [/x], ingress: [" : "ingress: [");
		for (int i = 0; i < 5000; i++)
			fprintf(f, "\n  127.%d.%d.1:80,", i / 256, i % 256);
		fputs(tool ? "]}}\n" : "]\n", f);
		fclose(f);
		assert_int_equal(policy_compile("/p", text, bytes, &d, &blob, &bytes), -EINVAL);
		assert_int_equal(d.n_errors, 1);
		assert_int_equal(d.list[0].line, 3);
		assert_int_equal(d.list[0].col, 3);
		assert_non_null(strstr(d.list[0].msg, "more than 4096"));
		diags_done(&d);
		free(text);
	}
}

/* ---- blobs from strangers ------------------------------------------------ */

static void test_damaged(void **state)
{
	static const char text[] =
	    HEAD "ingress: [127.0.0.1:80, {to: \"[::/0]:80\", from: [\"fd00::/8\"]}]\n"
		 "tools: {t: {command: [/x], ingress: [localhost:90]}}\n";
	_cleanup_free_ void *blob = NULL, *copy = NULL;
	struct addr a = addr("127.0.0.1");
	size_t bytes, refused = 0;
	struct policy *p;
	struct diags d;

	assert_int_equal(policy_compile("/p", text, strlen(text), &d, &blob, &bytes), 0);
	diags_done(&d);
	copy = malloc(bytes);
	for (size_t i = 0; i < bytes; i++)
		for (unsigned flip = 1; flip < 256; flip = flip * 2 + 1) {
			memcpy(copy, blob, bytes);
			((uint8_t *)copy)[i] ^= (uint8_t)flip;
			if (policy_open(copy, bytes, &p, NULL) < 0) {
				refused++;
				continue;
			}
			for (size_t k = 0; k < policy_ingress_rules(p); k++) {
				struct ingress_rule g;
				struct rule rule;

				policy_ingress_rule(p, k, &g);
				policy_rule(p, g.rule, &rule);
				assert_true(rule.ingress && strlen(rule.text) < bytes);
				for (size_t j = 0; j < policy_rule_peers(p, g.rule); j++)
					assert_true(policy_rule_peer(p, g.rule, j).bits <= 128);
			}
			for (unsigned family = 4; family <= 6; family += 2) {
				_cleanup_free_ struct ingress_pair *list = NULL;
				size_t n;

				assert_int_equal(policy_ingress_pairs(p, family, &list, &n), 0);
			}
			policy_match_ingress(p, IPPROTO_TCP, &a, 80, &a);
			policy_free(p);
		}
	assert_true(refused > bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_errors),       cmocka_unit_test(test_all_errors),
	    cmocka_unit_test(test_warnings),     cmocka_unit_test(test_match),
	    cmocka_unit_test(test_tool),         cmocka_unit_test(test_pairs),
	    cmocka_unit_test(test_pairs_across), cmocka_unit_test(test_too_many),
	    cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests_name("ingress", tests, NULL, NULL);
}
