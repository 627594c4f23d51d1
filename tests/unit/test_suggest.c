// SPDX-License-Identifier: GPL-2.0-or-later
/* What is suggested, pasted into a policy, allows exactly what was refused, or nothing is suggested:
 * for names of the agent's making (lab/hostile.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentctl/confine/plan.h"
#include "agentctl/seen/suggest.h"
#include "fw/record/denial_text.h"
#include "policy/profile.h"
#include "tests/unit/lab/given.h"
#include "tests/unit/lab/hostile.h"

#define ROUNDS 30000

static struct policy *pasted;
static void *blob;

/* As a person pastes it, below head: `policy check` has nothing against it, no warning either. */
static void paste(const char *head, const char *line, const char *tail)
{
	char text[20000], shown[2000];
	struct diags d;
	struct err e;
	size_t bytes;

	snprintf(text, sizeof(text), "version: 1\n%s%s%s\n", head, line, tail);
	blob = NULL;
	if (policy_compile("/srv/p.yaml", text, strlen(text), &d, &blob, &bytes) < 0 || d.n)
		fail_msg("'%s': %s", str_escape(shown, sizeof(shown), text, strlen(text)),
			 d.n ? d.list[0].msg : "no policy");
	diags_done(&d);
	assert_int_equal(policy_open(blob, bytes, &pasted, &e), 0);
}

static void pasted_done(void)
{
	policy_free(pasted);
	free(blob);
}

/* The one rule is ep's. */
static struct rule only_rule(const struct endpoint *ep)
{
	struct rule r;
	struct endpoint got;

	assert_int_equal(policy_rules(pasted), 1);
	policy_rule(pasted, 0, &r);
	assert_true(!r.deny && !r.broad && !r.group && !r.ingress);
	assert_int_equal(endpoint_parse(r.text, strlen(r.text), &got, NULL, NULL), 0);
	if (!endpoint_equal(&got, ep))
		fail_msg("it allows '%s'", r.text);
	return r;
}

static const char *suggested(const struct denial *d)
{
	static char buf[1024];

	return denial_suggest(d, NULL, buf, sizeof(buf));
}

static struct denial refused(uint16_t code, uint8_t l4proto)
{
	return (struct denial){.code = code,
			       .l4proto = l4proto,
			       .src = {4, {192, 0, 2, 9}},
			       .dst = {4, {203, 0, 113, 7}},
			       .sport = 40000,
			       .dport = 443,
			       .rule = RULE_NONE};
}

/* ---- names -------------------------------------------------------------------------------------
 */

static void one_question(const char *text)
{
	struct denial d = refused(DENIED_DNS_NAME, IPPROTO_UDP);
	struct endpoint want = {.scheme = SCHEME_HTTPS, .n_ports = 1, .ports = {443}};
	const char *line;
	bool is_name;

	d.dns = 1;
	d.dport = 53;
	snprintf(d.name, sizeof(d.name), "%s", text);
	is_name =
	    name_canon(d.name, strlen(d.name), &want.name) && strcmp(want.name.s, "localhost") != 0;
	line = suggested(&d);
	if (!line != !is_name)
		fail_msg("%s is suggested", line ? line : "nothing");
	if (!line)
		return;
	paste("egress:\n", line, "");
	only_rule(&want);
	assert_int_equal(policy_addr_rules(pasted), 0);
	for (size_t i = 0; i < HOSTILE_N; i++) {
		struct name n;

		if (name_canon(hostile[i], strlen(hostile[i]), &n) && !name_equal(&n, &want.name))
			assert_int_equal(policy_match_name(pasted, SCHEME_HTTPS, &n, 443).verdict,
					 VERDICT_NONE);
	}
	pasted_done();
}

static void test_questions(void **state)
{
	char text[300];

	for (size_t i = 0; i < HOSTILE_N; i++)
		one_question(hostile[i]);
	for (unsigned i = 0; i < ROUNDS; i++) {
		hostile_text(text, sizeof(text));
		one_question(text);
	}
}

/* ---- endpoints ---------------------------------------------------------------------------------
 */

static struct addr random_addr(void)
{
	static const struct addr some[] = {{4, {10, 0, 0, 1}},
					   {4, {127, 0, 0, 1}},
					   {4, {0}},
					   {4, {224, 0, 0, 251}},
					   {4, {255, 255, 255, 255}},
					   {6, {[15] = 1}},
					   {6, {0xfe, 0x80, [15] = 1}},
					   {6, {0xff, 2, [15] = 1}},
					   {6, {[10] = 0xff, 0xff, 10, 0, 0, 1}},
					   {6, {0}},
					   {6, {0x20, 1, 0xd, 0xb8, [15] = 9}}};
	struct addr a = some[hostile_random(sizeof(some) / sizeof(some[0]))];

	if (hostile_random(2))
		for (unsigned i = 0; i < (a.family == 4 ? 4u : 16u); i++)
			a.b[i] = (uint8_t)hostile_random(256);
	return a;
}

/* What a packet asked for: by the engine's own words, or by others. */
static void random_packet(struct denial *d, struct endpoint *ret)
{
	static const enum scheme schemes[] = {SCHEME_HTTPS, SCHEME_HTTP, SCHEME_TCP, SCHEME_UDP,
					      SCHEME_ICMP};
	static const uint16_t ports[] = {443, 80, 22, 53, 8080, 65535};
	char text[ENDPOINT_STRLEN];

	*ret = (struct endpoint){.scheme = schemes[hostile_random(5)], .host = HOST_PREFIX};
	*d = refused(DENIED_NO_RULE, scheme_l4proto(ret->scheme));
	d->dport = ports[hostile_random(6)];
	if (ret->scheme != SCHEME_ICMP)
		ret->ports[ret->n_ports++] = d->dport;
	d->dst = random_addr();
	d->src = random_addr();
	ret->prefix = (struct prefix){d->dst, d->dst.family == 4 ? 32 : 128};
	hostile_text(text, 250);
	if (hostile_random(2) && name_canon(text, strlen(text), &ret->name)) {
		ret->host = HOST_NAME;
		strcpy(d->name, ret->name.s);
	}
	endpoint_format(ret, text);
	if (hostile_random(4) == 0)
		hostile_text(text, sizeof(text));
	snprintf(d->endpoint, sizeof(d->endpoint), "%.299s", text);
}

static void test_packets(void **state)
{
	for (unsigned i = 0, n = 0; i < ROUNDS || n < ROUNDS / 10; i++) {
		struct endpoint want;
		struct denial d;
		const char *line;

		random_packet(&d, &want);
		line = suggested(&d);
		if (!line)
			continue;
		if (want.scheme == SCHEME_TCP && want.host == HOST_NAME &&
		    (d.dport == 443 || d.dport == 80)) /* a guess of the packet's, see there */
			want.scheme = d.dport == 80 ? SCHEME_HTTP : SCHEME_HTTPS;
		paste("egress:\n", line, "");
		only_rule(&want);
		pasted_done();
		n++;
	}
}

static void test_addresses(void **state)
{
	for (unsigned i = 0; i < ROUNDS / 10; i++) {
		struct endpoint any, want = {.host = HOST_PREFIX, .n_ports = 1};
		struct denial d;
		const char *line;

		random_packet(&d, &any);
		d.code = DENIED_NOT_TLS;
		want.scheme = d.l4proto == IPPROTO_TCP ? SCHEME_TCP : SCHEME_UDP;
		want.prefix = any.prefix;
		want.prefix.addr = d.dst;
		want.prefix.bits = d.dst.family == 4 ? 32 : 128;
		want.ports[0] = d.dport;
		line = suggested(&d);
		if (!line)
			continue;
		assert_true(d.l4proto == IPPROTO_TCP || d.l4proto == IPPROTO_UDP);
		paste("egress:\n", line, "");
		only_rule(&want);
		pasted_done();
	}
}

static void test_listeners(void **state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ROUNDS / 10; i++) {
		struct endpoint any;
		struct ingress_rule r;
		struct prefix peer;
		struct denial d;
		const char *line;

		random_packet(&d, &any);
		d.code = DENIED_INBOUND;
		d.inbound = 1;
		line = suggested(&d);
		if (!line)
			continue;
		n++;
		paste("", line, "");
		assert_int_equal(policy_ingress_rules(pasted), 1);
		policy_ingress_rule(pasted, 0, &r);
		assert_int_equal(r.l4proto, d.l4proto);
		assert_int_equal(r.port, d.dport);
		assert_true(addr_equal(&r.local.addr, &d.dst));
		assert_int_equal(r.local.bits, d.dst.family == 4 ? 32 : 128);
		assert_int_equal(policy_rule_peers(pasted, r.rule), 1);
		peer = policy_rule_peer(pasted, r.rule, 0);
		assert_true(addr_equal(&peer.addr, &d.src));
		assert_int_equal(peer.bits, r.local.bits);
		pasted_done();
	}
	assert_true(n > 100);
}

/* The address beside what the name is allowed, and no other. */
static void test_rebinding(void **state)
{
	for (unsigned i = 0; i < ROUNDS / 10; i++) {
		struct denial d = refused(DENIED_DNS_REBIND, IPPROTO_UDP);
		struct endpoint want = {.scheme = SCHEME_HTTPS, .n_ports = 1, .ports = {443}};
		struct addr other = {4, {203, 0, 113, 200}};
		const char *line;

		hostile_text(d.name, sizeof(d.name));
		d.dns = 1;
		d.dst = random_addr();
		line = suggested(&d);
		if (!line)
			continue;
		assert_true(name_canon(d.name, strlen(d.name), &want.name));
		paste("egress:\n", line, "");
		only_rule(&want);
		assert_true(policy_rule_address_ok(pasted, 0, &d.dst));
		other.b[3] ^= addr_equal(&other, &d.dst);
		assert_false(policy_rule_address_ok(pasted, 0, &other));
		pasted_done();
	}
}

/* By the scheme and the ports that the policy has for the name. */
static void test_rebinding_as_allowed(void **state)
{
	struct denial d = refused(DENIED_DNS_REBIND, IPPROTO_UDP);
	struct policy *p;
	void *p_blob;
	char buf[1024];

	given_policy("version: 1\negress: [\"tcp://db.x.test:5432,5433\", \"*.x.test\"]\n", &p,
		     &p_blob);
	d.dns = 1;
	d.dst = (struct addr){4, {10, 0, 0, 5}};
	strcpy(d.name, "db.x.test");
	assert_string_equal(denial_suggest(&d, p, buf, sizeof(buf)),
			    "  - {to: \"tcp://db.x.test:5432,5433\", addresses: [10.0.0.5]}");
	strcpy(d.name, "www.x.test"); /* and not for all that the wildcard stands for */
	assert_string_equal(denial_suggest(&d, p, buf, sizeof(buf)),
			    "  - {to: www.x.test, addresses: [10.0.0.5]}");
	policy_free(p);
	free(p_blob);
}

/* ---- files and programs ------------------------------------------------------------------------
 */

static bool one_path(const char *tool, uint32_t rights, const char *path)
{
	static struct plan p;
	char line[3 * (2 * PROFILE_PATH_MAX + 100)], shown[1000];
	struct profile_path got;
	struct profile profile;
	uint32_t seen = 0;
	size_t at;

	if (!suggest_path(&p, tool, rights, path, line, sizeof(line)))
		return false;
	if (tool) /* into the tool that is there */
		line[strlen(line) - 2] = '\0';
	paste("", line, tool ? ", command: [/srv/tool]}}" : "");
	at = tool ? policy_find_tool(pasted, tool) : PROFILE_AGENT;
	policy_profile(pasted, at, &profile);
	assert_int_equal(policy_profiles(pasted), tool ? 2 : 1);
	assert_int_equal(policy_rules(pasted), 0);
	for (size_t i = 0; i < profile.n_paths; i++) {
		profile_path(pasted, at, i, &got);
		if (strcmp(got.path, "/srv/tool") == 0)
			continue;
		if (strcmp(got.path, path) != 0)
			fail_msg("it opens '%s'",
				 str_escape(shown, sizeof(shown), got.path, strlen(got.path)));
		assert_false(seen & got.right);
		seen |= got.right;
	}
	assert_int_equal(seen, rights);
	pasted_done();
	return true;
}

static void test_paths(void **state)
{
	static const char *const below[] = {"",         "/srv",  "/srv/work", "/home/alice",
					    "/usr/bin", "/tmp/x"};
	char name[2100], path[2300];
	unsigned n = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		if (i < HOSTILE_N)
			snprintf(name, sizeof(name), "%s", hostile[i]);
		else
			hostile_text(name, i % 50 ? 60 : sizeof(name));
		snprintf(path, sizeof(path), "%s/%s", below[hostile_random(6)], name);
		n += one_path(i % 2 ? "t-1" : NULL, 1 + hostile_random(7), path);
	}
	assert_true(n > ROUNDS / 10);
}

static void test_too_much(void **state)
{
	static const char *const dirs[] = {"/",         "/etc",  "/usr",     "/home",
					   "/home/bob", "/root", "/srv/home"};
	static struct plan p = {.home = "/srv/home"};
	char buf[1000];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		assert_null(suggest_path(&p, NULL, RIGHT_READ, dirs[i], buf, sizeof(buf)));
	assert_non_null(suggest_path(&p, NULL, RIGHT_READ, "/srv/home/x", buf, sizeof(buf)));
}

/* `policy check` would refuse it. */
static void test_written_and_run(void **state)
{
	struct plan p = {0};
	char buf[1000];

	plan_add(&p, STEP_BIND, "/srv/out", RIGHT_WRITE);
	plan_add(&p, STEP_BIND, "/opt/x/tool", RIGHT_EXEC);
	plan_add(&p, STEP_BIND, "/opt/data", RIGHT_READ);
	assert_null(suggest_path(&p, NULL, RIGHT_EXEC, "/srv/out/a", buf, sizeof(buf)));
	assert_null(suggest_path(&p, NULL, RIGHT_WRITE, "/opt/x", buf, sizeof(buf)));
	assert_null(suggest_path(&p, NULL, RIGHT_WRITE | RIGHT_EXEC, "/x", buf, sizeof(buf)));
	assert_non_null(suggest_path(&p, NULL, RIGHT_READ, "/srv/out/a", buf, sizeof(buf)));
	assert_non_null(suggest_path(&p, NULL, RIGHT_EXEC, "/srv/outer", buf, sizeof(buf)));
	assert_non_null(suggest_path(&p, NULL, RIGHT_WRITE, "/opt/data", buf, sizeof(buf)));
	plan_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_questions),       cmocka_unit_test(test_packets),
	    cmocka_unit_test(test_addresses),       cmocka_unit_test(test_listeners),
	    cmocka_unit_test(test_rebinding),       cmocka_unit_test(test_rebinding_as_allowed),
	    cmocka_unit_test(test_paths),           cmocka_unit_test(test_too_much),
	    cmocka_unit_test(test_written_and_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
