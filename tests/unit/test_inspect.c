// SPDX-License-Identifier: GPL-2.0-or-later
/* The name in the first payload: hellos and requests in pieces, other names, what is neither, and
 * every request of a connection that lives on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fw/engine/inspect.h"
#include "fw/wire/tls.h"
#include "tests/unit/lab/given.h"

#define NOW  5000000u /* ms */
#define OVER (NOW + NAMES_MIN_TTL_MS + NAMES_GRACE_MS)
#define EVIL "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"
#define GOOD "GET / HTTP/1.1\r\nHost: web.example\r\n\r\n"

static const char policy_text[] = "version: 1\n"
				  "egress:\n"
				  "  - a.example\n"
				  "  - to: ech.example\n"
				  "    tls: {ech: allow}\n"
				  "  - http://web.example:8080\n"
				  "  - http://other.example:8080\n"
				  "  - http://never.example:8080\n"
				  "  - both.example:8443\n"
				  "  - http://both.example:8443\n";

/* All at one address, but for never.example. */
static const char *const learned[] = {"a.example", "ech.example", "web.example", "other.example",
				      "both.example"};
static const struct addr at = {4, {1, 2, 3, 4}};

struct lab {
	struct policy *policy;
	void *blob;
	struct names *names;
	struct loop *loop;
	struct flows *flows;
	struct flow *flow;
	uint32_t seq;
	struct facts facts;
	struct decision first, d; /* of the connection; after what it said last */
};

static void gone(struct flow *f)
{
}

static int setup(void **state)
{
	static struct lab lab;
	struct learn_entry out[8];
	size_t n;

	lab = (struct lab){0};
	given_policy(policy_text, &lab.policy, &lab.blob);
	assert_int_equal(names_new(lab.policy, &lab.names), 0);
	for (size_t i = 0; i < sizeof(learned) / sizeof(learned[0]); i++) {
		struct name name;

		assert_true(name_canon(learned[i], strlen(learned[i]), &name));
		assert_int_equal(names_learn(lab.names, &name, &at, true, 60, NOW, out, 8, &n), 0);
	}
	assert_int_equal(loop_new(&lab.loop), 0);
	assert_int_equal(flows_new(lab.loop, gone, &lab.flows), 0);
	lab.facts = (struct facts){.policy = lab.policy, .names = lab.names, .dst = at};
	*state = &lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	flows_free(lab->flows);
	loop_free(lab->loop);
	names_free(lab->names);
	policy_free(lab->policy);
	free(lab->blob);
	return 0;
}

/* A new connection to port, about which decide_flow says that its payload must be looked at. */
static void connection(struct lab *lab, uint16_t port)
{
	struct flow_key key = {.dst = at, .sport = 1000, .dport = port};

	if (lab->flow)
		flow_drop(lab->flows, lab->flow);
	lab->seq = 0xfffffff0u;
	lab->flow = flow_new(lab->flows, &key, lab->seq, NULL);
	lab->facts.l4proto = IPPROTO_TCP;
	lab->facts.port = port;
	lab->facts.payload = true;
	lab->facts.now_ms = NOW;
	decide_flow(&lab->facts, &lab->first);
	assert_int_equal(lab->first.what, DECIDED_INSPECT);
}

static enum inspected feed(struct lab *lab, const void *bytes, size_t n)
{
	assert_int_equal(flow_segment(lab->flow, lab->seq, (struct slice){bytes, n}), FLOW_MORE);
	lab->seq += (uint32_t)n;
	lab->d = lab->first;
	return inspect(lab->flow, &lab->facts, &lab->d);
}

static enum inspected say(struct lab *lab, const char *text)
{
	return feed(lab, text, strlen(text));
}

static void check_denied(struct lab *lab, enum inspected said, enum denial_code code)
{
	assert_int_equal(said, INSPECT_DENY);
	assert_int_equal(lab->d.what, DECIDED_DENY);
	assert_int_equal(lab->d.code, code);
}

/* One text as all that a connection to port says. */
static void denied(struct lab *lab, uint16_t port, const char *text, enum denial_code code)
{
	connection(lab, port);
	check_denied(lab, say(lab, text), code);
}

static void passes(struct lab *lab, const char *text)
{
	connection(lab, 8080);
	assert_int_equal(say(lab, text), INSPECT_PASS);
}

/* ---- TLS ----------------------------------------------------------------- */

/* A ClientHello in one record; sni_n 0: without a server name. Returns its length. */
static size_t hello(uint8_t *to, const char *sni, size_t sni_n, bool ech)
{
	uint8_t *p = to + 9, *extensions;
	size_t n;

	memset(p, 7, 34);
	memcpy(p, "\3\3", 2);
	memcpy(p + 34, "\0\0\2\x13\1\1\0", 7);
	extensions = p + 41;
	p = extensions + 2;
	if (sni_n) {
		memcpy(p,
		       (uint8_t[]){0, 0, 0, (uint8_t)(sni_n + 5), 0, (uint8_t)(sni_n + 3), 0, 0,
				   (uint8_t)sni_n},
		       9);
		memcpy(p + 9, sni, sni_n);
		p += 9 + sni_n;
	}
	if (ech) {
		memcpy(p, "\xfe\x0d\0\1x", 5);
		p += 5;
	}
	n = (size_t)(p - extensions) - 2;
	extensions[0] = (uint8_t)(n >> 8);
	extensions[1] = (uint8_t)n;
	n = (size_t)(p - to);
	memcpy(to,
	       (uint8_t[]){22, 3, 1, (uint8_t)((n - 5) >> 8), (uint8_t)(n - 5), 1, 0,
			   (uint8_t)((n - 9) >> 8), (uint8_t)(n - 9)},
	       9);
	return n;
}

static enum inspected say_hello(struct lab *lab, const char *sni, size_t sni_n, bool ech)
{
	uint8_t bytes[600];

	connection(lab, 443);
	return feed(lab, bytes, hello(bytes, sni, sni_n, ech));
}

static void hello_split_anywhere(void **state)
{
	struct lab *lab = *state;
	uint8_t bytes[600];
	size_t n = hello(bytes, "a.example", 9, false);

	for (size_t i = 1; i < n; i++) {
		connection(lab, 443);
		assert_int_equal(feed(lab, bytes, i), INSPECT_HOLD);
		assert_int_equal(feed(lab, bytes + i, n - i), INSPECT_VERIFIED);
		assert_string_equal(lab->d.name.s, "a.example");
	}
	connection(lab, 443);
	for (size_t i = 0; i < n - 1; i++)
		assert_int_equal(feed(lab, bytes + i, 1), INSPECT_HOLD);
	assert_int_equal(feed(lab, bytes + n - 1, 1), INSPECT_VERIFIED);
}

static void names_of_hellos(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(say_hello(lab, "A.Example", 9, false), INSPECT_VERIFIED);
	assert_int_equal(say_hello(lab, "a.example.", 10, false), INSPECT_VERIFIED);
	assert_int_equal(say_hello(lab, "ech.example", 11, true), INSPECT_VERIFIED);
	check_denied(lab, say_hello(lab, "evil.example", 12, false), DENIED_OTHER_NAME);
	assert_string_equal(lab->d.name.s, "evil.example");
	assert_int_equal(lab->d.scheme, SCHEME_HTTPS);
	check_denied(lab, say_hello(lab, "web.example", 11, false), DENIED_OTHER_NAME);
	check_denied(lab, say_hello(lab, "a.example", 9, true), DENIED_ECH);
	check_denied(lab, say_hello(lab, NULL, 0, false), DENIED_NO_SNI);
	check_denied(lab, say_hello(lab, "1.2.3.4", 7, false), DENIED_NO_SNI);
	check_denied(lab, say_hello(lab, "a.example..", 11, false), DENIED_NO_SNI);
	check_denied(lab, say_hello(lab, "a.example\0.evil", 15, false), DENIED_NO_SNI);
	check_denied(lab, say_hello(lab, "a.example ", 10, false), DENIED_NO_SNI);
}

static void what_is_not_tls(void **state)
{
	struct lab *lab = *state;
	uint8_t bytes[600];
	size_t n = hello(bytes, "a.example", 9, false);

	denied(lab, 443, "SSH-2.0-OpenSSH_9\r\n", DENIED_NOT_TLS);
	denied(lab, 443, GOOD, DENIED_NOT_TLS);
	denied(lab, 443, "\x80\x2e\1\3\1", DENIED_NOT_TLS); /* SSLv2 */
	denied(lab, 443, "\x15\3\3", DENIED_NOT_TLS);       /* an alert */
	bytes[5] = 2;                                       /* a ServerHello */
	connection(lab, 443);
	check_denied(lab, feed(lab, bytes, n), DENIED_NOT_TLS);
	connection(lab, 8443);
	assert_int_equal(inspect(lab->flow, &lab->facts, &lab->first), INSPECT_HOLD); /* silence */
}

/* Records of one byte each, of a hello that says that it is large. */
static void a_hello_without_end(void **state)
{
	struct lab *lab = *state;
	static const uint8_t head[] = {1, 0, 0x3f, 0, 3, 3};
	size_t sent = 0;
	enum inspected r = INSPECT_HOLD;

	connection(lab, 443);
	for (size_t i = 0; r == INSPECT_HOLD && i < 10000; i++, sent += 6)
		r = feed(lab, (uint8_t[]){22, 3, 1, 0, 1, i < sizeof(head) ? head[i] : 0}, 6);
	check_denied(lab, r, DENIED_TOO_LARGE);
	assert_in_range(sent, TLS_STREAM_MAX - 12, TLS_STREAM_MAX + 12);
}

/* ---- HTTP ---------------------------------------------------------------- */

static void request_split_anywhere(void **state)
{
	struct lab *lab = *state;
	size_t n = strlen(GOOD);

	for (size_t i = 1; i < n; i++) {
		connection(lab, 8080);
		assert_int_equal(feed(lab, GOOD, i), INSPECT_HOLD);
		assert_int_equal(feed(lab, &GOOD[i], n - i), INSPECT_PASS);
		assert_int_equal(lab->flow->n, 0);
		assert_int_equal(lab->flow->state, FLOW_HTTP_HEAD);
		assert_string_equal(lab->flow->verified_name.s, "web.example");
	}
}

static void every_request_is_looked_at(void **state)
{
	struct lab *lab = *state;

	passes(lab, GOOD);
	assert_int_equal(say(lab, GOOD), INSPECT_PASS);
	assert_int_equal(say(lab, "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"), INSPECT_PASS);
	check_denied(lab, say(lab, EVIL), DENIED_OTHER_NAME);
	assert_string_equal(lab->d.name.s, "evil.example");
	assert_int_equal(lab->d.scheme, SCHEME_HTTP);
	passes(lab, GOOD GOOD); /* pipelined */
	denied(lab, 8080, GOOD EVIL, DENIED_OTHER_NAME);
	connection(lab, 8080);
	assert_int_equal(say(lab, GOOD "GET / HTTP/1.1\r\nHost: "), INSPECT_HOLD);
	check_denied(lab, say(lab, "evil.example\r\n\r\n"), DENIED_OTHER_NAME);
}

static void bodies_by_length(void **state)
{
	struct lab *lab = *state;
	char text[300];

	snprintf(text, sizeof(text),
		 "PUT / HTTP/1.1\r\nHost: web.example\r\nContent-Length: %zu\r\n\r\n",
		 strlen(EVIL));
	passes(lab, text);
	assert_int_equal(feed(lab, EVIL, 10), INSPECT_PASS); /* a body may say anything */
	assert_int_equal(feed(lab, &EVIL[10], strlen(EVIL) - 10), INSPECT_PASS);
	assert_int_equal(say(lab, GOOD), INSPECT_PASS);
	check_denied(lab, say(lab, EVIL), DENIED_OTHER_NAME);
	strcat(text, EVIL GOOD EVIL);
	denied(lab, 8080, text, DENIED_OTHER_NAME);
	text[strlen(text) - strlen(EVIL)] = '\0';
	passes(lab, text);
	/* One byte too many is the beginning of a request. */
	passes(lab, "PUT / HTTP/1.1\r\nHost: web.example\r\nContent-Length: 3\r\n\r\n");
	check_denied(lab, say(lab, "abc\1"), DENIED_NOT_HTTP);
}

static void bodies_in_chunks(void **state)
{
	struct lab *lab = *state;
	static const char head[] =
	    "POST / HTTP/1.1\r\nHost: web.example\r\nTransfer-Encoding: chunked\r\n\r\n";
	static const char body[] = "26\r\n" EVIL "\r\n0\r\n\r\n";

	assert_int_equal(strlen(EVIL), 0x26);
	for (size_t i = 1; i < strlen(body); i++) {
		passes(lab, head);
		assert_int_equal(feed(lab, body, i), INSPECT_PASS);
		assert_int_equal(feed(lab, body + i, strlen(body) - i), INSPECT_PASS);
		assert_int_equal(lab->flow->state, FLOW_HTTP_HEAD);
	}
	assert_int_equal(say(lab, GOOD), INSPECT_PASS);
	passes(lab, head);
	check_denied(lab, say(lab, "0\r\n\r\n" EVIL), DENIED_OTHER_NAME);
	passes(lab, head);
	check_denied(lab, say(lab, "zz\r\n"), DENIED_NOT_HTTP);
	passes(lab, head);
	check_denied(lab, say(lab, "3\r\nabcd\r\n"), DENIED_NOT_HTTP);
	passes(lab, head); /* the second chunked body begins anew */
	assert_int_equal(say(lab, "1\r\nx\r\n0\r\n\r\n"), INSPECT_PASS);
	assert_int_equal(say(lab, head), INSPECT_PASS);
	assert_int_equal(say(lab, "1\r\nx\r\n0\r\n\r\n"), INSPECT_PASS);
}

static void what_is_no_request_for_a_name(void **state)
{
	struct lab *lab = *state;
	static const struct {
		const char *text;
		enum denial_code code;
	} cases[] = {
	    {"CONNECT web.example:8080 HTTP/1.1\r\nHost: web.example:8080\r\n\r\n",
	     DENIED_NOT_HTTP},
	    {"GET / HTTP/1.1\r\n\r\n", DENIED_NOT_HTTP},
	    {"GET /\r\n", DENIED_NOT_HTTP},
	    {"GET / HTTP/1.1\r\nHost: web.example\r\nHost: evil.example\r\n\r\n", DENIED_NOT_HTTP},
	    {"GET http://evil.example/ HTTP/1.1\r\nHost: web.example\r\n\r\n", DENIED_NOT_HTTP},
	    {"\x16\3\1\2", DENIED_NOT_HTTP},
	    {"GET / HTTP/1.1\r\nHost: 1.2.3.4\r\n\r\n", DENIED_NO_SNI},
	    {"GET / HTTP/1.1\r\nHost: [2600::1]\r\n\r\n", DENIED_NO_SNI},
	    {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", DENIED_OTHER_NAME},
	    {"GET / HTTP/1.1\r\nHost: never.example\r\n\r\n", DENIED_NOT_LEARNED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		denied(lab, 8080, cases[i].text, cases[i].code);
	denied(lab, 8080, "GET / HTTP/1.1\r\nHost: other.example:8081\r\n\r\n", DENIED_OTHER_NAME);
	assert_string_equal(lab->d.name.s, "other.example"); /* to be told */
	passes(lab, "GET / HTTP/1.1\r\nHost: WEB.example:8080\r\n\r\n");
	passes(lab, "GET http://web.example:8080/ HTTP/1.1\r\nHost: web.example:8080\r\n\r\n");
}

/* A live connection outlasts the time for which its address was learned; a new one does not. */
static void after_the_address_is_over(void **state)
{
	struct lab *lab = *state;

	passes(lab, GOOD);
	lab->flow->verified = true;
	lab->facts.now_ms = OVER;
	assert_int_equal(say(lab, GOOD), INSPECT_PASS);
	check_denied(lab, say(lab, "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"),
		     DENIED_NOT_LEARNED);
	connection(lab, 8080);
	lab->facts.now_ms = OVER;
	check_denied(lab, say(lab, GOOD), DENIED_NOT_LEARNED);
}

static void the_first_byte_tells_tls_from_http(void **state)
{
	struct lab *lab = *state;
	uint8_t bytes[600];
	size_t n = hello(bytes, "both.example", 12, false);

	connection(lab, 8443);
	assert_int_equal(feed(lab, bytes, 1), INSPECT_HOLD);
	assert_int_equal(feed(lab, bytes + 1, n - 1), INSPECT_VERIFIED);
	connection(lab, 8443);
	assert_int_equal(say(lab, "GET / HTTP/1.1\r\nHost: both.example\r\n\r\n"), INSPECT_PASS);
	assert_int_equal(lab->d.scheme, SCHEME_HTTP);
	check_denied(lab, feed(lab, bytes, n), DENIED_NOT_HTTP); /* and it stays that */
	connection(lab, 8443);
	bytes[0] = 23;
	check_denied(lab, feed(lab, bytes, n), DENIED_NOT_HTTP);
}

int main(void)
{
#define LAB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    LAB(hello_split_anywhere),
	    LAB(names_of_hellos),
	    LAB(what_is_not_tls),
	    LAB(a_hello_without_end),
	    LAB(request_split_anywhere),
	    LAB(every_request_is_looked_at),
	    LAB(bodies_by_length),
	    LAB(bodies_in_chunks),
	    LAB(what_is_no_request_for_a_name),
	    LAB(after_the_address_is_over),
	    LAB(the_first_byte_tells_tls_from_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
