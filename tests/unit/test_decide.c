// SPDX-License-Identifier: GPL-2.0-or-later
/* May this pass? Both keys: the address by the rules or by the names that were learned for it, and
 * the name that the payload says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fw/engine/decide.h"
#include "tests/unit/lab/given.h"

#define NOW 5000000u /* ms */

static const char policy_text[] =
    "version: 1\n"
    "egress:\n"
    "  - a.example\n"
    "  - \"*.wild.example\"\n"
    "  - http://web.example:8080\n"
    "  - tls://mail.example:993\n"
    "  - tcp://db.example:5432\n"
    "  - udp://time.example:123\n"
    "  - icmp://ping.example\n"
    "  - both.example:8080\n"
    "  - http://both.example:8080\n"
    "  - to: ech.example\n"
    "    tls: {ech: allow}\n"
    "  - 198.51.100.0/24:443\n"
    "  - udp://[2600::/32]:5353\n"
    "  - {to: tcp://in.example:5432, addresses: [10.0.0.0/8, \"fd00::/8\"]}\n"
    "  - in.example\n"
    "  - {to: in.example:8443, addresses: [10.0.0.0/8, \"fd00::/8\"]}\n"
    "  - {to: \"http://in.example:8443\", addresses: [172.16.0.0/12]}\n"
    "  - icmp://9.9.9.9\n"
    "  - udp://224.0.0.251:5353\n"
    "deny:\n"
    "  - bad.wild.example\n"
    "  - 203.0.113.0/24\n"
    "  - 198.51.100.66\n";

/* Learned before each test, TTL 60 from NOW on. */
static const char *const learned[][2] = {
    {"a.example", "1.0.0.1"},     {"web.example", "1.0.0.2"},      {"mail.example", "1.0.0.3"},
    {"db.example", "1.0.0.4"},    {"time.example", "1.0.0.5"},     {"ping.example", "1.0.0.6"},
    {"both.example", "1.0.0.7"},  {"ech.example", "1.0.0.8"},      {"x.wild.example", "1.0.0.9"},
    {"a.example", "203.0.113.5"}, {"a.example", "2600::1"},        {"db.example", "1.0.0.1"},
    {"web.example", "1.0.0.7"},   {"bad.wild.example", "1.0.0.1"}, {"evil.example", "1.0.0.1"},
    {"ping.example", "2600::6"},
};

/* These are not everybody's. */
static const char *const inside[][2] = {
    {"in.example", "10.1.2.3"},
    {"in.example", "fd00::1"},
    {"in.example", "172.16.0.1"},
};

struct lab {
	struct policy *policy;
	void *blob;
	struct names *names;
	struct facts facts;
};

static int setup(void **state)
{
	static struct lab lab;
	struct learn_entry out[8];
	size_t n;

	given_policy(policy_text, &lab.policy, &lab.blob);
	assert_int_equal(names_new(lab.policy, &lab.names), 0);
	for (size_t i = 0; i < sizeof(learned) / sizeof(learned[0]); i++) {
		struct name as = name(learned[i][0]);
		struct addr at = addr(learned[i][1]);

		assert_int_equal(names_learn(lab.names, &as, &at, true, 60, NOW, out, 8, &n), 0);
	}
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		struct name as = name(inside[i][0]);
		struct addr at = addr(inside[i][1]);

		assert_int_equal(names_learn(lab.names, &as, &at, false, 60, NOW, out, 8, &n), 0);
	}
	lab.facts = (struct facts){.policy = lab.policy, .names = lab.names, .now_ms = NOW};
	*state = &lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	names_free(lab->names);
	policy_free(lab->policy);
	free(lab->blob);
	return 0;
}

/* ---- by the address ------------------------------------------------------ */

/* With payload, and an echo request where it is ICMP. */
static struct decision flow(struct lab *lab, uint8_t l4proto, const char *dst, uint16_t port)
{
	struct decision d;

	lab->facts.l4proto = l4proto;
	lab->facts.dst = addr(dst);
	lab->facts.port = port;
	lab->facts.payload = true;
	lab->facts.echo_request = l4proto == IPPROTO_ICMP;
	memset(&d, 0xff, sizeof(d));
	decide_flow(&lab->facts, &d);
	return d;
}

static void denied(const struct decision *d, enum denial_code code)
{
	assert_int_equal(d->what, DECIDED_DENY);
	assert_int_equal(d->code, code);
	assert_int_equal(d->rule == RULE_NONE, code != DENIED_BY_RULE && code != DENIED_ECH &&
						   code != DENIED_NOT_LEARNED);
}

#define DENIED(l4proto, dst, port, code)                                                           \
	({                                                                                         \
		struct decision d_ = flow(lab, l4proto, dst, port);                                \
		denied(&d_, code);                                                                 \
	})

static void passes(struct lab *lab, uint8_t l4proto, const char *dst, uint16_t port)
{
	struct decision d = flow(lab, l4proto, dst, port);

	assert_int_equal(d.what, DECIDED_FLOW);
	assert_int_not_equal(d.rule, RULE_NONE);
}

static void address_rules(void **state)
{
	struct lab *lab = *state;

	passes(lab, IPPROTO_TCP, "198.51.100.7", 443);
	passes(lab, IPPROTO_UDP, "2600::99", 5353);
	passes(lab, IPPROTO_ICMP, "9.9.9.9", 0);
	DENIED(IPPROTO_TCP, "198.51.100.7", 80, DENIED_NO_RULE);
	DENIED(IPPROTO_UDP, "198.51.100.7", 443, DENIED_QUIC);
	DENIED(IPPROTO_UDP, "198.51.100.7", 444, DENIED_NO_RULE);
	DENIED(IPPROTO_ICMP, "198.51.100.7", 0, DENIED_NO_RULE);
	DENIED(IPPROTO_TCP, "198.51.101.7", 443, DENIED_NO_RULE);
	DENIED(IPPROTO_TCP, "9.9.9.9", 443, DENIED_NO_RULE);
	DENIED(IPPROTO_TCP, "198.51.100.66", 443, DENIED_BY_RULE);
	DENIED(IPPROTO_UDP, "2601::99", 5353, DENIED_NO_RULE);
}

static void deny_holds_whatever_name_led_there(void **state)
{
	struct lab *lab = *state;

	DENIED(IPPROTO_TCP, "203.0.113.5", 443, DENIED_BY_RULE);
	lab->facts.stays = true;
	DENIED(IPPROTO_TCP, "203.0.113.5", 443, DENIED_BY_RULE);
}

static void other_protocols(void **state)
{
	struct lab *lab = *state;
	/* IGMP, IP in IP, IPv6 in IP, DCCP, GRE, ESP, ICMPv6 as such, SCTP, UDP-Lite */
	static const uint8_t protocols[] = {0, 2, 4, 41, 33, 47, 50, 58, 132, 136, 255};

	lab->facts.stays = true;
	for (size_t i = 0; i < sizeof(protocols); i++)
		DENIED(protocols[i], "198.51.100.7", 443, DENIED_PROTOCOL);
	flow(lab, IPPROTO_ICMP, "9.9.9.9", 0);
	lab->facts.echo_request = false; /* an unsolicited reply, an error, a redirect */
	struct decision d;
	decide_flow(&lab->facts, &d);
	denied(&d, DENIED_PROTOCOL);
}

static void multicast(void **state)
{
	struct lab *lab = *state;

	DENIED(IPPROTO_UDP, "224.0.0.251", 5355, DENIED_MULTICAST);
	DENIED(IPPROTO_UDP, "239.255.255.250", 1900, DENIED_MULTICAST);
	DENIED(IPPROTO_UDP, "255.255.255.255", 67, DENIED_MULTICAST);
	DENIED(IPPROTO_UDP, "ff02::fb", 5353, DENIED_MULTICAST);
	DENIED(IPPROTO_UDP, "223.255.255.255", 5353, DENIED_NO_RULE);
	DENIED(IPPROTO_UDP, "240.0.0.1", 5353, DENIED_NO_RULE);
	passes(lab, IPPROTO_UDP, "224.0.0.251", 5353); /* a rule says so */
}

static void own_listeners(void **state)
{
	struct lab *lab = *state;

	DENIED(IPPROTO_TCP, "127.0.0.1", 8000, DENIED_NO_RULE);
	lab->facts.stays = true;
	assert_int_equal(flow(lab, IPPROTO_TCP, "127.0.0.1", 8000).what, DECIDED_OWN);
	assert_int_equal(flow(lab, IPPROTO_UDP, "::1", 443).what, DECIDED_OWN);
}

/* ---- by learned names ---------------------------------------------------- */

static void inspected(struct lab *lab, const char *dst, uint16_t port, bool tls, bool http)
{
	struct decision d = flow(lab, IPPROTO_TCP, dst, port);

	assert_int_equal(d.what, DECIDED_INSPECT);
	assert_int_equal(d.tls, tls);
	assert_int_equal(d.http, http);
	lab->facts.payload = false; /* the same flow before it says anything */
	decide_flow(&lab->facts, &d);
	assert_int_equal(d.what, DECIDED_ONCE);
	assert_int_equal(d.tls, tls);
	assert_int_equal(d.http, http);
}

static void names_that_the_payload_must_say(void **state)
{
	struct lab *lab = *state;

	inspected(lab, "1.0.0.1", 443, true, false);
	inspected(lab, "2600::1", 443, true, false);
	inspected(lab, "1.0.0.2", 8080, false, true);
	inspected(lab, "1.0.0.3", 993, true, false);
	inspected(lab, "1.0.0.7", 8080, true, true);
	assert_string_equal(flow(lab, IPPROTO_TCP, "1.0.0.9", 443).name.s, "x.wild.example");
}

static void names_whose_address_is_enough(void **state)
{
	struct lab *lab = *state;

	passes(lab, IPPROTO_TCP, "1.0.0.4", 5432);
	passes(lab, IPPROTO_TCP, "1.0.0.1", 5432); /* shared with a.example */
	passes(lab, IPPROTO_UDP, "1.0.0.5", 123);
	passes(lab, IPPROTO_ICMP, "1.0.0.6", 0);
	passes(lab, IPPROTO_ICMP, "2600::6", 0);
	lab->facts.payload = false;
	struct decision d = flow(lab, IPPROTO_TCP, "1.0.0.4", 5432);
	assert_int_equal(d.what, DECIDED_FLOW);
	assert_string_equal(d.name.s, "db.example");
}

static void a_learned_address_elsewhere(void **state)
{
	struct lab *lab = *state;
	struct decision d;

	DENIED(IPPROTO_TCP, "1.0.0.9", 80, DENIED_NO_RULE);
	DENIED(IPPROTO_UDP, "1.0.0.9", 443, DENIED_QUIC);
	DENIED(IPPROTO_TCP, "1.0.0.5", 123, DENIED_NO_RULE); /* the rule says UDP */
	DENIED(IPPROTO_UDP, "1.0.0.4", 5432, DENIED_NO_RULE);
	DENIED(IPPROTO_ICMP, "1.0.0.4", 0, DENIED_NO_RULE);
	DENIED(IPPROTO_TCP, "1.0.0.6", 443, DENIED_NO_RULE);
	DENIED(IPPROTO_TCP, "1.0.0.77", 443, DENIED_NO_RULE); /* a literal, never learned */
	d = flow(lab, IPPROTO_TCP, "1.0.0.9", 80);
	assert_string_equal(d.name.s, "x.wild.example"); /* to be told */
	assert_int_equal(flow(lab, IPPROTO_TCP, "1.0.0.77", 443).name.len, 0);
}

static void learned_names_end(void **state)
{
	struct lab *lab = *state;

	lab->facts.now_ms = NOW + NAMES_MIN_TTL_MS + NAMES_GRACE_MS - 1;
	passes(lab, IPPROTO_TCP, "1.0.0.4", 5432);
	assert_int_equal(flow(lab, IPPROTO_TCP, "1.0.0.9", 443).what, DECIDED_INSPECT);
	lab->facts.now_ms++;
	DENIED(IPPROTO_TCP, "1.0.0.4", 5432, DENIED_NO_RULE);
	DENIED(IPPROTO_TCP, "1.0.0.9", 443, DENIED_NO_RULE);
	passes(lab, IPPROTO_TCP, "198.51.100.7", 443);
}

/* ---- by the name in the payload ------------------------------------------ */

static struct decision says(struct lab *lab, const char *dst, uint16_t port, enum scheme scheme,
			    const char *text, bool ech)
{
	struct name n = name(text);
	struct decision d;

	flow(lab, IPPROTO_TCP, dst, port);
	memset(&d, 0xff, sizeof(d));
	decide_name(&lab->facts, scheme, &n, ech, &d);
	assert_string_equal(d.name.s, text);
	assert_int_equal(d.scheme, scheme);
	return d;
}

static void both_keys(void **state)
{
	struct lab *lab = *state;
	static const struct {
		const char *dst;
		uint16_t port;
		enum scheme scheme;
		const char *name;
		bool ech;
		int want; /* enum denial_code; 0: it passes */
	} cases[] = {
	    {"1.0.0.1", 443, SCHEME_HTTPS, "a.example", false, 0},
	    {"2600::1", 443, SCHEME_HTTPS, "a.example", false, 0},
	    {"1.0.0.9", 443, SCHEME_HTTPS, "x.wild.example", false, 0},
	    {"1.0.0.3", 993, SCHEME_HTTPS, "mail.example", false, 0},
	    {"1.0.0.2", 8080, SCHEME_HTTP, "web.example", false, 0},
	    {"1.0.0.7", 8080, SCHEME_HTTP, "web.example", false, 0},
	    {"1.0.0.7", 8080, SCHEME_HTTPS, "both.example", false, 0},
	    {"1.0.0.8", 443, SCHEME_HTTPS, "ech.example", true, 0},
	    /* Another name at an address that is allowed for one. */
	    {"1.0.0.1", 443, SCHEME_HTTPS, "evil.example", false, DENIED_OTHER_NAME},
	    {"1.0.0.1", 443, SCHEME_HTTPS, "sub.a.example", false, DENIED_OTHER_NAME},
	    {"1.0.0.9", 443, SCHEME_HTTPS, "wild.example", false, DENIED_OTHER_NAME},
	    {"1.0.0.1", 443, SCHEME_HTTPS, "bad.wild.example", false, DENIED_BY_RULE},
	    /* An allowed name at an address that was given for another, or for none. */
	    {"1.0.0.9", 443, SCHEME_HTTPS, "a.example", false, DENIED_NOT_LEARNED},
	    {"6.6.6.6", 443, SCHEME_HTTPS, "a.example", false, DENIED_NOT_LEARNED},
	    {"1.0.0.9", 443, SCHEME_HTTPS, "y.wild.example", false, DENIED_NOT_LEARNED},
	    /* Another port, another protocol. */
	    {"1.0.0.1", 8443, SCHEME_HTTPS, "a.example", false, DENIED_OTHER_NAME},
	    {"1.0.0.1", 443, SCHEME_HTTP, "a.example", false, DENIED_OTHER_NAME},
	    {"1.0.0.2", 8080, SCHEME_HTTPS, "web.example", false, DENIED_OTHER_NAME},
	    {"1.0.0.4", 5432, SCHEME_HTTPS, "db.example", false, DENIED_OTHER_NAME},
	    {"1.0.0.1", 443, SCHEME_HTTPS, "a.example", true, DENIED_ECH},
	    {"6.6.6.6", 443, SCHEME_HTTPS, "ech.example", true, DENIED_NOT_LEARNED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct decision d = says(lab, cases[i].dst, cases[i].port, cases[i].scheme,
					 cases[i].name, cases[i].ech);

		if (cases[i].want)
			denied(&d, (enum denial_code)cases[i].want);
		else
			assert_int_equal(d.what, DECIDED_FLOW);
	}
	lab->facts.now_ms = NOW + NAMES_MIN_TTL_MS + NAMES_GRACE_MS;
	struct decision d = says(lab, "1.0.0.1", 443, SCHEME_HTTPS, "a.example", false);
	denied(&d, DENIED_NOT_LEARNED);
}

/* Two entries for one name: `addresses:` of the one are not the other's. */
static void an_entry_opens_its_own_addresses(void **state)
{
	static const char *const in[] = {"10.1.2.3", "fd00::1"};
	struct lab *lab = *state;
	struct decision d;

	for (size_t i = 0; i < 2; i++) {
		d = flow(lab, IPPROTO_TCP, in[i], 5432);
		assert_int_equal(d.what, DECIDED_FLOW);
		d = flow(lab, IPPROTO_TCP, in[i], 8443);
		assert_int_equal(d.what, DECIDED_INSPECT);
		assert_true(d.tls && !d.http);
		d = flow(lab, IPPROTO_TCP, in[i], 443);
		denied(&d, DENIED_NO_RULE);
		assert_string_equal(d.name.s, "in.example");
		d = says(lab, in[i], 8443, SCHEME_HTTPS, "in.example", false);
		assert_int_equal(d.what, DECIDED_FLOW);
		d = says(lab, in[i], 443, SCHEME_HTTPS, "in.example", false);
		denied(&d, DENIED_NOT_LEARNED);
		d = says(lab, in[i], 8443, SCHEME_HTTP, "in.example", false);
		denied(&d, DENIED_NOT_LEARNED);
	}
	d = flow(lab, IPPROTO_TCP, "172.16.0.1", 8443);
	assert_true(d.what == DECIDED_INSPECT && d.http && !d.tls);
	d = says(lab, "172.16.0.1", 8443, SCHEME_HTTP, "in.example", false);
	assert_int_equal(d.what, DECIDED_FLOW);
	d = flow(lab, IPPROTO_TCP, "172.16.0.1", 5432);
	denied(&d, DENIED_NO_RULE);
}

/* A rule is found behind however many names of the same address. */
static void no_name_hides_a_rule(void **state)
{
	struct lab *lab = *state;
	struct learn_entry out[8];
	struct decision d;
	size_t n;

	for (int i = 0; i < 1000; i++) {
		char text[40];

		snprintf(text, sizeof(text), "n%d.wild.example", i);
		struct name as = name(text);
		struct addr at = addr("1.0.0.4");

		assert_int_equal(names_learn(lab->names, &as, &at, true, 60, NOW, out, 8, &n), 0);
	}
	d = flow(lab, IPPROTO_TCP, "1.0.0.4", 5432);
	assert_int_equal(d.what, DECIDED_FLOW);
	d = flow(lab, IPPROTO_TCP, "1.0.0.4", 443);
	assert_int_equal(d.what, DECIDED_INSPECT);
	d = flow(lab, IPPROTO_TCP, "1.0.0.4", 80);
	denied(&d, DENIED_NO_RULE);
}

static void endpoints_are_told_in_our_grammar(void **state)
{
	struct lab *lab = *state;
	char buf[ENDPOINT_STRLEN];
	struct decision d = flow(lab, IPPROTO_TCP, "1.0.0.77", 8443);

	decide_endpoint(&lab->facts, &d, buf);
	assert_string_equal(buf, "tcp://1.0.0.77:8443");
	d = flow(lab, IPPROTO_UDP, "2600::77", 443);
	decide_endpoint(&lab->facts, &d, buf);
	assert_string_equal(buf, "udp://[2600::77]:443");
	d = flow(lab, IPPROTO_ICMP, "1.0.0.77", 0);
	decide_endpoint(&lab->facts, &d, buf);
	assert_string_equal(buf, "icmp://1.0.0.77");
	d = flow(lab, IPPROTO_TCP, "1.0.0.9", 22);
	decide_endpoint(&lab->facts, &d, buf);
	assert_string_equal(buf, "tcp://x.wild.example:22");
	d = says(lab, "1.0.0.1", 443, SCHEME_HTTPS, "evil.example", false);
	decide_endpoint(&lab->facts, &d, buf);
	assert_string_equal(buf, "evil.example");
	d = says(lab, "1.0.0.1", 8080, SCHEME_HTTP, "evil.example", false);
	decide_endpoint(&lab->facts, &d, buf);
	assert_string_equal(buf, "http://evil.example:8080");
}

int main(void)
{
#define LAB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    LAB(address_rules),
	    LAB(deny_holds_whatever_name_led_there),
	    LAB(other_protocols),
	    LAB(multicast),
	    LAB(own_listeners),
	    LAB(an_entry_opens_its_own_addresses),
	    LAB(no_name_hides_a_rule),
	    LAB(names_that_the_payload_must_say),
	    LAB(names_whose_address_is_enough),
	    LAB(a_learned_address_elsewhere),
	    LAB(learned_names_end),
	    LAB(both_keys),
	    LAB(endpoints_are_told_in_our_grammar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
