// SPDX-License-Identifier: GPL-2.0-or-later
/* The endpoint grammar: what it takes, in which form it gives it back, where it says that it is
 * wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/policy.h"

static void test_canonical(void **state)
{
	static const struct {
		const char *text, *canonical;
	} cases[] = {
	    {"api.example.com", "api.example.com"},
	    {"API.Example.COM.", "api.example.com"},
	    {"https://api.example.com:443", "api.example.com"},
	    {"HTTPS://a.example:8443", "a.example:8443"},
	    {"a.example:443,8443", "a.example:443,8443"},
	    {"http://a.example", "http://a.example"},
	    {"http://a.example:80", "http://a.example"},
	    {"http://a.example:8080", "http://a.example:8080"},
	    {"tls://a.example:443", "tls://a.example:443"},
	    {"tcp://db.internal:5432", "tcp://db.internal:5432"},
	    {"udp://ntp.example:123", "udp://ntp.example:123"},
	    {"quic://a.example", "quic://a.example"},
	    {"*.Cdn.example", "*.cdn.example"},
	    {"10.0.0.0/8", "10.0.0.0/8"},
	    {"10.1.2.3/32:5432", "10.1.2.3:5432"},
	    {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
	    {"[2001:db8::1]", "[2001:db8::1]"},
	    {"[2001:DB8::1]:8443", "[2001:db8::1]:8443"},
	    {"2001:db8::/32", "2001:db8::/32"},
	    {"[2001:db8::/32]:25", "[2001:db8::/32]:25"},
	    {"localhost:11434", "localhost:11434"},
	    {"LOCALHOST.", "localhost"},
	    {"icmp://192.0.2.1", "icmp://192.0.2.1"},
	    {"xn--bcher-kva.example", "xn--bcher-kva.example"},
	    {"*", "*"},
	};
	char text[ENDPOINT_STRLEN];
	struct endpoint ep;
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (endpoint_parse(cases[i].text, strlen(cases[i].text), &ep, NULL, &e) < 0)
			fail_msg("%s", e.msg);
		assert_string_equal(endpoint_format(&ep, text), cases[i].canonical);
		assert_int_equal(endpoint_parse(text, strlen(text), &ep, NULL, NULL), 0);
		assert_string_equal(endpoint_format(&ep, text), cases[i].canonical);
	}
}

static const struct {
	const char *text;
	size_t at;
	const char *says;
} traps[] = {
    {"", 0, "missing"},
    {"*foo.com", 0, "wildcard"},
    {"a.*", 2, "wildcard"},
    {"a.*.b", 2, "wildcard"},
    {"*.*.com", 2, "wildcard"},
    {"**.com", 0, "wildcard"},
    {"*.", 0, "wildcard"},
    {"f*o.com", 1, "wildcard"},
    {"b\xc3\xbc"
     "cher.example",
     1, "ASCII"},
    {"tcp://a.example", 15, "port is missing"},
    {"udp://a.example", 15, "port is missing"},
    {"tls://a.example", 15, "port is missing"},
    {"icmp://a.example:1", 0, "no ports"},
    {"gopher://a.example", 0, "scheme"},
    {"a.example:", 10, "missing"},
    {"a.example:443,", 14, "missing"},
    {"a.example:0", 10, "65535"},
    {"a.example:0443", 10, "65535"},
    {"a.example:65536", 10, "65535"},
    {"a.example:99999999999999999999", 10, "65535"},
    {"a.example:443x", 13, "behind the port"},
    {"a.example:443/path", 13, "behind the port"},
    {"https://a.example/path", 8, "CIDR"},
    {"a.example:1,1", 12, "twice"},
    {"a.example:1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", 49, "16 ports"},
    {"10.0.0.1/8", 0, "prefix length"},
    {"10.0.0.0/33", 0, "CIDR"},
    {"1.2.3", 0, "neither"},
    {"0x7f.1", 0, "neither"},
    {"2130706433", 0, "neither"},
    {"a..b", 0, "neither"},
    {"a.example..", 0, "neither"},
    {"user@a.example", 0, "neither"},
    {"a example", 0, "neither"},
    {"::1", 0, "last group"},
    {"::1:443", 0, "last group"},
    {"[::1", 0, "']'"},
    {"[", 0, "']'"},
    {"[]", 0, "brackets"},
    {"[a.example]", 0, "brackets"},
    {"[10.0.0.1]", 0, "brackets"},
    {"[::1]x", 5, "behind the host"},
};

static void test_traps(void **state)
{
	struct endpoint ep;
	struct err e;
	size_t at;

	for (size_t i = 0; i < ARRAY_SIZE(traps); i++) {
		at = 999;
		if (endpoint_parse(traps[i].text, strlen(traps[i].text), &ep, &at, &e) == 0)
			fail_msg("'%s' is taken", traps[i].text);
		if (at != traps[i].at || !strstr(e.msg, traps[i].says) || !e.hint[0])
			fail_msg("'%s': at %zu: %s (%s)", traps[i].text, at, e.msg, e.hint);
	}
	assert_true(endpoint_parse("a\0b", 3, &ep, NULL, &e) < 0);
	endpoint_parse("10.1.2.3/8", 10, &ep, NULL, &e);
	assert_string_equal(e.hint, "write 10.0.0.0/8");
}

static void test_schemes(void **state)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse("a.example", 9, &ep, NULL, NULL), 0);
	assert_int_equal(ep.scheme, SCHEME_HTTPS);
	assert_false(ep.scheme_written);
	assert_int_equal(endpoint_parse("https://a.example", 17, &ep, NULL, NULL), 0);
	assert_true(ep.scheme_written);
	assert_int_equal(scheme_l4proto(SCHEME_TLS), IPPROTO_TCP);
	assert_int_equal(scheme_l4proto(SCHEME_UDP), IPPROTO_UDP);
	assert_int_equal(scheme_l4proto(SCHEME_ICMP), IPPROTO_ICMP);
	assert_string_equal(scheme_name(SCHEME_TCP), "tcp");
}

/* Everything that ships must parse, and must not be broader than a name. */
static void test_groups(void **state)
{
	struct endpoint ep;
	struct err e;

	for (size_t i = 0; i < policy_groups_n; i++) {
		const struct policy_group *g = &policy_groups[i];

		assert_true(g->description[0] && g->source[0] && g->endpoints[0]);
		for (size_t k = 0; g->endpoints[k]; k++) {
			if (endpoint_parse(g->endpoints[k], strlen(g->endpoints[k]), &ep, NULL, &e))
				fail_msg("%s: %s", g->name, e.msg);
			assert_int_equal(ep.host, HOST_NAME);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_canonical),
	    cmocka_unit_test(test_traps),
	    cmocka_unit_test(test_schemes),
	    cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
