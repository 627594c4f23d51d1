// SPDX-License-Identifier: GPL-2.0-or-later
/* Policies: what they say, what matches and what does not, blobs from strangers. */
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
#include <time.h>

#include "policy/base/cleanup.h"
#include "policy/policy.h"
#include "tests/unit/lab/policies.h"

/* ---- helpers ------------------------------------------------------------- */

struct opened {
	struct policy *p;
	void *blob;
	size_t bytes;
};

static struct opened compile(const char *text)
{
	struct opened o;
	struct diags d;
	struct err e;

	if (policy_compile("/etc/agentfw/p.yaml", text, strlen(text), &d, &o.blob, &o.bytes) < 0) {
		print_diags(&d);
		fail();
	}
	diags_done(&d);
	if (policy_open(o.blob, o.bytes, &o.p, &e) < 0)
		fail_msg("%s", e.msg);
	return o;
}

static void done(struct opened *o)
{
	policy_free(o->p);
	free(o->blob);
}

static struct name name(const char *text)
{
	struct name n;

	if (!name_canon(text, strlen(text), &n))
		fail_msg("'%s' is no name", text);
	return n;
}

static struct match by_name(const struct opened *o, const char *url)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(url, strlen(url), &ep, NULL, NULL), 0);
	assert_int_equal(ep.host, HOST_NAME);
	return policy_match_name(o->p, ep.scheme, &ep.name, ep.ports[0]);
}

static struct match by_addr(const struct opened *o, const char *url)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(url, strlen(url), &ep, NULL, NULL), 0);
	assert_int_equal(ep.host, HOST_PREFIX);
	return policy_match_addr(o->p, scheme_l4proto(ep.scheme), &ep.prefix.addr, ep.ports[0]);
}

#define ALLOWED(m) assert_int_equal((m).verdict, VERDICT_ALLOW)
#define DENIED(m)  assert_int_equal((m).verdict, VERDICT_DENY)
#define NONE(m)    assert_int_equal((m).verdict, VERDICT_NONE)

/* ---- what it says -------------------------------------------------------- */

static void test_settings(void **state)
{
	struct opened o =
	    compile("\xef\xbb\xbf" HEAD "mode: audit\n"
		    "agent: {user: alice}\n"
		    "audit: {dir: log, capture: {snaplen: 256}}\n"
		    "egress: [{to: db.internal, addresses: [10.0.0.0/8]}]\n"
		    "dns:\n"
		    "  servers: [10.0.0.2, 10.0.0.3:5353, \"[2001:db8::1]:54\", \"2001:db8::2\"]\n"
		    "  hosts: {db.internal: [10.1.2.7, \"::1\"]}\n");
	struct addr a, pins[2];
	char buf[ADDR_STRLEN];
	struct name n = name("DB.internal");
	uint16_t port;

	assert_int_equal(policy_mode(o.p), MODE_AUDIT);
	assert_string_equal(policy_file(o.p), "/etc/agentfw/p.yaml");
	assert_string_equal(policy_agent_user(o.p), "alice");
	assert_string_equal(policy_audit_dir(o.p), "/etc/agentfw/log");
	assert_int_equal(policy_snaplen(o.p), 256);
	assert_int_equal(policy_dns_servers(o.p), 4);
	policy_dns_server(o.p, 0, &a, &port);
	assert_int_equal(port, 53);
	policy_dns_server(o.p, 1, &a, &port);
	assert_int_equal(port, 5353);
	policy_dns_server(o.p, 2, &a, &port);
	assert_int_equal(port, 54);
	policy_dns_server(o.p, 3, &a, &port);
	assert_string_equal(addr_format(&a, buf), "2001:db8::2");
	assert_int_equal(policy_pin(o.p, &n, pins, 1), 2);
	assert_int_equal(policy_pin(o.p, &n, pins, 2), 2);
	n = name("x.internal");
	assert_int_equal(policy_pin(o.p, &n, pins, 2), 0);
	addr_parse("10.9.9.9", 8, &a);
	assert_true(policy_rule_address_ok(o.p, 0, &a));
	addr_parse("192.168.0.1", 11, &a);
	assert_false(policy_rule_address_ok(o.p, 0, &a));
	done(&o);

	o = compile(HEAD);
	assert_int_equal(policy_mode(o.p), MODE_ENFORCE);
	assert_null(policy_agent_user(o.p));
	assert_string_equal(policy_audit_dir(o.p), "/var/log/agentfw");
	assert_int_equal(policy_snaplen(o.p), 2048);
	assert_int_equal(policy_dns_servers(o.p) + policy_rules(o.p) + policy_addr_rules(o.p), 0);
	NONE(by_name(&o, "a.example"));
	NONE(by_addr(&o, "10.0.0.1"));
	done(&o);
}

static void test_rules(void **state)
{
	struct opened o = compile(HEAD "egress:\n"
				       "  - pypi\n"
				       "  - {tls: {ech: allow}, to: \"*.com\", broad: true}\n"
				       "deny:\n"
				       "  - {reason: no uploads, to: \"*.up.example\"}\n"
				       "  - https://b.example\n"
				       "  - c.example:443\n");
	struct rule r;

	assert_int_equal(policy_rules(o.p), 6);
	policy_rule(o.p, 1, &r);
	assert_string_equal(r.group, "pypi");
	assert_string_equal(r.text, "files.pythonhosted.org");
	assert_int_equal(r.line, 3);
	assert_int_equal(r.col, 5);
	policy_rule(o.p, 2, &r);
	assert_true(r.broad && r.ech_allow && !r.deny && !r.group && !r.reason);
	policy_rule(o.p, 3, &r);
	assert_true(r.deny && !r.broad);
	assert_string_equal(r.reason, "no uploads");
	assert_string_equal(r.text, "*.up.example");
	policy_rule(o.p, 4, &r);
	assert_string_equal(r.text, "https://b.example");
	policy_rule(o.p, 5, &r);
	assert_string_equal(r.text, "https://c.example");
	done(&o);
}

/* ---- matching ------------------------------------------------------------ */

static void test_names(void **state)
{
	struct opened o = compile(HEAD "egress:\n"
				       "  - api.example.com\n"
				       "  - \"*.cdn.example\"\n"
				       "  - http://repo.local:8080\n"
				       "  - tcp://db.internal:5432\n"
				       "  - tls://t.example:8443,9443\n");

	ALLOWED(by_name(&o, "api.example.com"));
	ALLOWED(by_name(&o, "API.example.com."));
	ALLOWED(by_name(&o, "tls://api.example.com:443"));
	NONE(by_name(&o, "api.example.com:444"));
	NONE(by_name(&o, "http://api.example.com"));
	NONE(by_name(&o, "http://api.example.com:443"));
	NONE(by_name(&o, "tcp://api.example.com:443"));
	NONE(by_name(&o, "example.com"));
	NONE(by_name(&o, "x.api.example.com"));
	NONE(by_name(&o, "xapi.example.com"));
	ALLOWED(by_name(&o, "a.cdn.example"));
	ALLOWED(by_name(&o, "a.b.c.d.cdn.example"));
	NONE(by_name(&o, "cdn.example"));
	NONE(by_name(&o, "xcdn.example"));
	NONE(by_name(&o, "a.xcdn.example"));
	NONE(by_name(&o, "a.cdn.example.com"));
	ALLOWED(by_name(&o, "http://repo.local:8080"));
	NONE(by_name(&o, "repo.local:8080"));
	ALLOWED(by_name(&o, "tcp://db.internal:5432"));
	NONE(by_name(&o, "db.internal:5432"));
	NONE(by_name(&o, "http://db.internal:5432"));
	ALLOWED(by_name(&o, "https://t.example:9443"));
	NONE(by_name(&o, "https://t.example:443"));
	NONE(by_addr(&o, "10.0.0.1"));
	done(&o);
}

static void test_deny_wins(void **state)
{
	struct opened o = compile(HEAD "egress:\n"
				       "  - \"*.cdn.example\"\n"
				       "  - http://a.cdn.example\n"
				       "  - x.up.cdn.example\n"
				       "  - b.example:443,8443\n"
				       "  - http://b.example\n"
				       "deny:\n"
				       "  - \"*.up.cdn.example\"\n"
				       "  - https://a.cdn.example\n"
				       "  - b.example:8443\n");
	struct opening list[8];
	struct match why;
	struct name n;

	ALLOWED(by_name(&o, "up.cdn.example"));
	DENIED(by_name(&o, "x.up.cdn.example"));
	DENIED(by_name(&o, "tcp://y.x.up.cdn.example:1"));
	DENIED(by_name(&o, "a.cdn.example"));
	DENIED(by_name(&o, "tls://a.cdn.example:443"));
	ALLOWED(by_name(&o, "http://a.cdn.example"));
	ALLOWED(by_name(&o, "b.example"));
	DENIED(by_name(&o, "b.example:8443"));
	ALLOWED(by_name(&o, "http://b.example"));

	n = name("b.example");
	assert_int_equal(policy_name_openings(o.p, &n, list, 8, &why), 2);
	assert_int_equal(policy_name_openings(o.p, &n, list, 1, &why), 1);
	n = name("x.up.cdn.example");
	assert_int_equal(policy_name_openings(o.p, &n, list, 8, &why), 0);
	assert_int_equal(why.verdict, VERDICT_DENY);
	assert_int_equal(why.rule, 5);
	n = name("nobody.example");
	assert_int_equal(policy_name_openings(o.p, &n, list, 8, &why), 0);
	assert_int_equal(why.verdict, VERDICT_NONE);
	n = name("a.cdn.example");
	assert_int_equal(policy_name_openings(o.p, &n, list, 8, NULL), 1);
	assert_int_equal(list[0].scheme, SCHEME_HTTP);
	assert_int_equal(list[0].port, 80);
	done(&o);
}

static void test_addresses(void **state)
{
	struct opened o = compile(HEAD "egress:\n"
				       "  - 10.0.0.0/8:443,5432\n"
				       "  - udp://10.1.0.0/16:123\n"
				       "  - icmp://10.1.2.0/24\n"
				       "  - 2001:db8::/32\n"
				       "  - localhost:11434\n"
				       "  - http://10.1.2.3\n"
				       "deny:\n"
				       "  - 10.1.0.0/16:443\n"
				       "  - 10.1.2.128/25\n"
				       "  - \"[2001:db8::1]\"\n");
	struct addr a;

	ALLOWED(by_addr(&o, "10.0.0.1"));
	ALLOWED(by_addr(&o, "tcp://10.255.255.255:5432"));
	NONE(by_addr(&o, "11.0.0.0"));
	NONE(by_addr(&o, "9.255.255.255"));
	NONE(by_addr(&o, "10.0.0.1:444"));
	DENIED(by_addr(&o, "10.1.2.3"));
	ALLOWED(by_addr(&o, "10.1.2.3:5432"));
	ALLOWED(by_addr(&o, "http://10.1.2.3"));
	NONE(by_addr(&o, "http://10.1.2.4"));
	DENIED(by_addr(&o, "tcp://10.1.2.128:5432"));
	DENIED(by_addr(&o, "udp://10.1.2.128:1"));
	ALLOWED(by_addr(&o, "tcp://10.1.2.127:5432"));
	ALLOWED(by_addr(&o, "udp://10.1.0.1:123"));
	NONE(by_addr(&o, "tcp://10.1.0.1:123"));
	NONE(by_addr(&o, "udp://10.2.0.1:123"));
	ALLOWED(by_addr(&o, "[2001:db8::2]"));
	DENIED(by_addr(&o, "[2001:db8::1]"));
	DENIED(by_addr(&o, "udp://[2001:db8::1]:9"));
	NONE(by_addr(&o, "[2001:db9::1]"));
	ALLOWED(by_addr(&o, "127.0.0.1:11434"));
	ALLOWED(by_addr(&o, "[::1]:11434"));
	NONE(by_addr(&o, "127.0.0.2:11434"));
	addr_parse("10.1.2.4", 8, &a);
	ALLOWED(policy_match_addr(o.p, IPPROTO_ICMP, &a, 0));
	ALLOWED(policy_match_addr(o.p, IPPROTO_ICMPV6, &a, 7));
	NONE(policy_match_addr(o.p, IPPROTO_SCTP, &a, 443));
	a.family = 0;
	NONE(policy_match_addr(o.p, IPPROTO_TCP, &a, 443));
	done(&o);
}

static void test_broad(void **state)
{
	struct opened o =
	    compile(HEAD "egress: [{to: \"*\", broad: true}, {to: \"*.com\", broad: true}]\n"
			 "deny: [\"*.evil.example\", 192.0.2.0/24]\n");
	struct addr_rule ar;
	size_t whole = 0;

	ALLOWED(by_name(&o, "any.thing"));
	ALLOWED(by_name(&o, "https://one"));
	NONE(by_name(&o, "http://any.thing"));
	DENIED(by_name(&o, "a.evil.example"));
	NONE(by_addr(&o, "8.8.8.8")); /* an address is no name */
	NONE(by_addr(&o, "[2001:db8::1]"));
	DENIED(by_addr(&o, "192.0.2.9"));
	for (size_t i = 0; i < policy_addr_rules(o.p); i++) {
		policy_addr_rule(o.p, i, &ar);
		assert_int_equal(ar.any, ar.deny);
		assert_int_equal(ar.port, ar.any ? 0 : 443);
		whole += ar.prefix.bits == 0;
	}
	assert_int_equal(whole, 0);
	done(&o);
}

/* Against a plain walk over the rules: many overlapping prefixes and ports. */
static void test_overlap(void **state)
{
	char text[65536] = HEAD "egress:\n";
	struct opened o;
	unsigned seed = 1;

	for (int i = 0; i < 600; i++) {
		unsigned bits = 8 + (unsigned)rand_r(&seed) % 25,
			 x = (unsigned)rand_r(&seed) & 0x0f0f0f;

		x = (0x0a000000u | x) & ~(bits == 32 ? 0 : 0xffffffffu >> bits);
		if (i == 400)
			strcat(text, "deny:\n");
		sprintf(text + strlen(text), "  - tcp://%u.%u.%u.%u/%u:%u\n", x >> 24,
			x >> 16 & 255, x >> 8 & 255, x & 255, bits,
			1 + (unsigned)rand_r(&seed) % 8);
	}
	o = compile(text);
	for (int i = 0; i < 20000; i++) {
		uint32_t x = htonl(0x0a000000u | ((unsigned)rand_r(&seed) & 0x0f0f0f));
		uint16_t port = (uint16_t)(1 + rand_r(&seed) % 8);
		struct addr a = addr_from_v4(&x);
		enum verdict want = VERDICT_NONE;
		struct addr_rule ar;

		for (size_t k = 0; k < policy_addr_rules(o.p) && want != VERDICT_DENY; k++) {
			policy_addr_rule(o.p, k, &ar);
			if (ar.port == port && prefix_contains(&ar.prefix, &a))
				want = ar.deny ? VERDICT_DENY : VERDICT_ALLOW;
		}
		assert_int_equal(policy_match_addr(o.p, IPPROTO_TCP, &a, port).verdict, want);
	}
	done(&o);
}

/* ---- blobs from strangers ------------------------------------------------ */

static void use(const struct policy *p)
{
	struct opening list[OPENINGS_MAX];
	struct name n = name("a.b.cdn.example");
	struct addr a = {4, {10, 1, 2, 3}}, pins[4];
	struct rule r;
	size_t sum = 0;

	for (uint32_t i = 0; i < policy_rules(p); i++) {
		policy_rule(p, i, &r);
		sum += strlen(r.text) + (r.group ? strlen(r.group) : 0) +
		       (r.reason ? strlen(r.reason) : 0) + policy_rule_address_ok(p, i, &a);
	}
	sum += strlen(policy_file(p)) + strlen(policy_audit_dir(p));
	sum += policy_name_openings(p, &n, list, OPENINGS_MAX, NULL) + policy_pin(p, &n, pins, 4);
	sum += policy_match_addr(p, IPPROTO_TCP, &a, 443).rule;
	assert_true(sum > 0);
}

static void test_damage(void **state)
{
	struct opened o = compile(HEAD "egress: [pypi, \"*.cdn.example\", 10.0.0.0/8, a.b:1]\n"
				       "deny: [{to: 10.1.0.0/16, reason: x}]\n"
				       "dns: {servers: [10.0.0.1], hosts: {a.b: 10.0.0.9}}\n");
	size_t refused = 0;
	struct policy *p;

	for (size_t i = 0; i < o.bytes; i++)
		for (unsigned flip = 1; flip < 256; flip = flip * 2 + 1) {
			uint8_t *copy = malloc(o.bytes);

			assert_non_null(copy);
			memcpy(copy, o.blob, o.bytes);
			copy[i] ^= (uint8_t)flip;
			if (policy_open(copy, o.bytes, &p, NULL) == 0) {
				use(p);
				policy_free(p);
			} else {
				refused++;
			}
			free(copy);
		}
	assert_true(refused > o.bytes);
	for (size_t n = 0; n < o.bytes; n++) {
		uint8_t *copy = malloc(n + 1);

		assert_non_null(copy);
		memcpy(copy, o.blob, n);
		assert_int_equal(policy_open(copy, n, &p, NULL), -EINVAL);
		free(copy);
	}
	done(&o);
}

/* ---- size ---------------------------------------------------------------- */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void test_many(void **state)
{
	const size_t count = 100000, room = count * 32 + 64;
	char *text = malloc(room), buf[64];
	size_t n, hits = 0;
	struct opened o;
	double start = now(), load;

	assert_non_null(text);
	n = (size_t)snprintf(text, room, HEAD "egress:\n");
	for (size_t i = 0; i < count; i++)
		n += (size_t)snprintf(text + n, room - n, "- n%zu.h%zu.example\n", i, i % 97);
	o = compile(text);
	load = now() - start;
	assert_int_equal(policy_rules(o.p), count);
	start = now();
	for (size_t i = 0; i < count; i++) {
		struct name q;

		snprintf(buf, sizeof(buf), "n%zu.h%zu.example", i, (i + i % 2) % 97);
		q = name(buf);
		hits += policy_match_name(o.p, SCHEME_HTTPS, &q, 443).verdict == VERDICT_ALLOW;
	}
	print_message("%zu names: loaded in %.3f s, %.0f ns a lookup with its parsing\n", count,
		      load, (now() - start) * 1e9 / (double)count);
	assert_int_equal(hits, count / 2);
	done(&o);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_settings),  cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_names),     cmocka_unit_test(test_deny_wins),
	    cmocka_unit_test(test_addresses), cmocka_unit_test(test_broad),
	    cmocka_unit_test(test_overlap),   cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
