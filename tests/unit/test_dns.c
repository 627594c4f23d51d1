// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/wire/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buf[70000];
static size_t n;
static struct dns_answer answer;

static void put(const void *bytes, size_t size)
{
	memcpy(buf + n, bytes, size);
	n += size;
}

static void put_u16(unsigned value)
{
	const uint8_t b[2] = {(uint8_t)(value >> 8), (uint8_t)value};

	put(b, 2);
}

static void put_name(const char *text)
{
	while (*text) {
		size_t size = strcspn(text, ".");
		uint8_t byte = (uint8_t)size;

		put(&byte, 1);
		put(text, size);
		text += size + (text[size] == '.');
	}
	put("", 1);
}

static void header(unsigned flags, unsigned qd, unsigned an, unsigned ns, unsigned ar)
{
	n = 0;
	put_u16(0x1234);
	put_u16(flags);
	put_u16(qd);
	put_u16(an);
	put_u16(ns);
	put_u16(ar);
}

static void question(const char *name, unsigned type, unsigned class)
{
	put_name(name);
	put_u16(type);
	put_u16(class);
}

static void record(const char *owner, unsigned type, unsigned ttl, const void *rdata, size_t size)
{
	put_name(owner);
	put_u16(type);
	put_u16(1);
	put_u16(ttl >> 16);
	put_u16(ttl & 0xffff);
	put_u16((unsigned)size);
	put(rdata, size);
}

static void cname(const char *owner, const char *target, unsigned ttl)
{
	record(owner, DNS_TYPE_CNAME, ttl, "", 0);
	size_t at = n;
	put_name(target);
	buf[at - 1] = (uint8_t)(n - at);
}

static void opt(unsigned version)
{
	put("", 1);
	put_u16(DNS_TYPE_OPT);
	put_u16(1400);
	put_u16(version);
	put_u16(0);
	put_u16(0);
}

static void assert_query(enum wire_result want, int want_rcode, struct dns_query *q)
{
	int rcode = -1;

	assert_int_equal(dns_query_parse(buf, n, q, &rcode), want);
	if (want == WIRE_BAD)
		assert_int_equal(rcode, want_rcode);
}

static void test_query_good(void **state)
{
	struct dns_query q;

	header(0x0110, 1, 0, 0, 1);
	question("aPi.Example.COM", DNS_TYPE_AAAA, 1);
	opt(0);
	assert_query(WIRE_OK, 0, &q);
	assert_int_equal(q.id, 0x1234);
	assert_true(q.rd && q.cd && q.edns);
	assert_int_equal(q.edns_udp, 1400);
	assert_int_equal(q.type, DNS_TYPE_AAAA);
	assert_string_equal(q.name.s, "api.example.com");
	assert_string_equal(q.shown, "api.example.com");
	assert_int_equal(q.question.n, 21);
	assert_memory_equal(q.question.p, "\3aPi\7Example", 12);
	for (size_t i = 0; i < n; i++) {
		int rcode;

		assert_int_equal(dns_query_parse(buf, i, &q, &rcode),
				 i < 12 ? WIRE_TRUNCATED : WIRE_BAD);
	}
}

static void test_query_bad(void **state)
{
	struct dns_query q;
	const struct {
		unsigned flags, qd, an, ns, ar, class;
		int rcode;
	} cases[] = {
	    {0x8100, 1, 0, 0, 0, 1, DNS_FORMERR},     {0x0300, 1, 0, 0, 0, 1, DNS_FORMERR},
	    {0x0900, 1, 0, 0, 0, 1, DNS_NOTIMP},      {0x2900, 1, 0, 0, 0, 1, DNS_NOTIMP},
	    {0x0100, 0, 0, 0, 0, 1, DNS_FORMERR},     {0x0100, 2, 0, 0, 0, 1, DNS_FORMERR},
	    {0x0100, 65535, 0, 0, 0, 1, DNS_FORMERR}, {0x0100, 1, 1, 0, 0, 1, DNS_FORMERR},
	    {0x0100, 1, 0, 1, 0, 1, DNS_FORMERR},     {0x0100, 1, 0, 0, 1, 1, DNS_FORMERR},
	    {0x0100, 1, 0, 0, 0, 3, DNS_REFUSED},     {0x0100, 1, 0, 0, 0, 255, DNS_REFUSED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		header(cases[i].flags, cases[i].qd, cases[i].an, cases[i].ns, cases[i].ar);
		question("a.example", DNS_TYPE_A, cases[i].class);
		assert_query(WIRE_BAD, cases[i].rcode, &q);
		assert_int_equal(q.question.n, cases[i].qd == 1 ? 15 : 0);
		assert_int_equal(q.id, 0x1234);
	}
	header(0x0100, 1, 0, 0, 0);
	question("a.example", DNS_TYPE_A, 1);
	put("x", 1);
	assert_query(WIRE_BAD, DNS_FORMERR, &q);
}

static void test_query_opt(void **state)
{
	struct dns_query q;

	header(0x0100, 1, 0, 0, 1);
	question("a.example", DNS_TYPE_A, 1);
	opt(1);
	assert_query(WIRE_BAD, DNS_FORMERR, &q);
	header(0x0100, 1, 0, 0, 2);
	question("a.example", DNS_TYPE_A, 1);
	opt(0);
	opt(0);
	assert_query(WIRE_BAD, DNS_FORMERR, &q);
	header(0x0100, 1, 0, 0, 1);
	question("a.example", DNS_TYPE_A, 1);
	record("b", DNS_TYPE_OPT, 0, "", 0); /* not the root */
	assert_query(WIRE_BAD, DNS_FORMERR, &q);
	header(0x0100, 1, 0, 0, 1);
	question("a.example", DNS_TYPE_A, 1);
	record("", DNS_TYPE_TXT, 0, "", 0);
	assert_query(WIRE_BAD, DNS_FORMERR, &q);
	header(0x0100, 1, 0, 0, 1);
	question("a.example", DNS_TYPE_A, 1);
	record("", DNS_TYPE_OPT, 0, "\0\x0a\0\1x", 5);
	assert_query(WIRE_OK, 0, &q);
	assert_int_equal(q.edns_udp, 512);
	header(0x0100, 1, 0, 0, 1);
	question("a.example", DNS_TYPE_A, 1);
	record("", DNS_TYPE_OPT, 0, "\0\x0a\0\2x", 5);
	assert_query(WIRE_BAD, DNS_FORMERR, &q);
}

static void raw_query(const char *qname, size_t size)
{
	header(0x0100, 1, 0, 0, 0);
	put(qname, size);
	put_u16(DNS_TYPE_A);
	put_u16(1);
}

static void test_query_names(void **state)
{
	struct dns_query q;

	raw_query("\3a.b\3com\0", 9);
	assert_query(WIRE_OK, 0, &q);
	assert_int_equal(q.name.len, 0);
	assert_string_equal(q.shown, "a\\.b.com");
	raw_query("\3a\0b\3com\0", 9);
	assert_query(WIRE_OK, 0, &q);
	assert_int_equal(q.name.len, 0);
	assert_string_equal(q.shown, "a\\000b.com");
	raw_query("\0", 1);
	assert_query(WIRE_OK, 0, &q);
	assert_int_equal(q.name.len, 0);
	assert_string_equal(q.shown, ".");
	raw_query("\xc0\x0c", 2); /* itself */
	assert_query(WIRE_BAD, DNS_FORMERR, &q);
	raw_query("\1a\xc0\0", 4);
	assert_query(WIRE_BAD, DNS_FORMERR, &q);
	raw_query("\x41"
		  "a\0",
		  3);
	assert_query(WIRE_BAD, DNS_FORMERR, &q);

	char name[256] = "";
	for (int i = 0; i < 3; i++)
		strcat(name, "0123456789012345678901234567890123456789012345678901234567890ab.");
	strcat(name, "x123456789012345678901234567890123456789012345678901234567890");
	header(0x0100, 1, 0, 0, 0);
	question(name, DNS_TYPE_A, 1); /* 255 bytes on the wire */
	assert_query(WIRE_OK, 0, &q);
	assert_int_equal(q.name.len, 253);
	strcat(name, "c");
	header(0x0100, 1, 0, 0, 0);
	question(name, DNS_TYPE_A, 1);
	assert_query(WIRE_BAD, DNS_FORMERR, &q);
}

static struct name name_of(const char *text)
{
	struct name name = {.len = (uint8_t)strlen(text)};

	memcpy(name.s, text, name.len);
	return name;
}

static enum wire_result ask(const char *text, uint16_t type)
{
	struct name name = name_of(text);

	return dns_answer_parse(buf, n, 0x1234, &name, type, &answer);
}

static void test_answer_good(void **state)
{
	header(0x8180, 1, 5, 0, 1);
	question("A.example", DNS_TYPE_A, 1);
	record("evil.example", DNS_TYPE_A, 1, "\6\6\6\6", 4);
	record("c.example", DNS_TYPE_A, 90, "\1\2\3\4", 4);
	cname("b.example", "C.example", 50);
	cname("a.EXAMPLE", "b.example", 70);
	record("a.example", DNS_TYPE_A, 2, "\6\6\6\6", 4); /* beside a CNAME */
	opt(0);
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_OK);
	assert_int_equal(answer.n_cnames, 2);
	assert_string_equal(answer.cnames[1].s, "c.example");
	assert_int_equal(answer.n_addrs, 1);
	assert_memory_equal(answer.addrs[0], "\1\2\3\4", 4);
	assert_int_equal(answer.ttl_s, 50);
	assert_int_equal(ask("b.example", DNS_TYPE_A), WIRE_BAD);
	assert_int_equal(ask("a.example", DNS_TYPE_AAAA), WIRE_BAD);
	buf[0] ^= 1;
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_BAD);
	buf[0] ^= 1;
	for (size_t i = 0; i < n; i++) {
		struct name name = name_of("a.example");

		assert_int_equal(dns_answer_parse(buf, i, 0x1234, &name, DNS_TYPE_A, &answer),
				 WIRE_BAD);
	}
	buf[2] = 0x01;
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_BAD);
	buf[2] = 0x89;
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_BAD);
	buf[2] = 0x83;
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_OK);
	assert_true(answer.truncated);
	assert_int_equal(answer.n_addrs, 0);
}

static enum wire_result ask_chain(unsigned hops)
{
	char owner[20], target[20];

	header(0x8180, 1, hops + 1, 0, 0);
	question("n0.example", DNS_TYPE_A, 1);
	for (unsigned i = 0; i < hops; i++) {
		snprintf(owner, sizeof(owner), "n%u.example", i);
		snprintf(target, sizeof(target), "n%u.example", i + 1);
		cname(owner, target, 60);
	}
	snprintf(owner, sizeof(owner), "n%u.example", hops);
	record(owner, DNS_TYPE_A, 60, "\1\2\3\4", 4);
	return ask("n0.example", DNS_TYPE_A);
}

static void test_answer_chains(void **state)
{
	assert_int_equal(ask_chain(DNS_ANSWER_MAX_CHAIN), WIRE_OK);
	assert_int_equal(answer.n_cnames, DNS_ANSWER_MAX_CHAIN);
	assert_int_equal(answer.n_addrs, 1);
	assert_int_equal(ask_chain(DNS_ANSWER_MAX_CHAIN + 1), WIRE_BAD);
	assert_int_equal(ask_chain(100), WIRE_BAD);
	header(0x8180, 1, 2, 0, 0);
	question("a.example", DNS_TYPE_A, 1);
	cname("a.example", "b.example", 60);
	cname("b.example", "A.example", 60);
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_BAD);
	header(0x8180, 1, 2, 0, 0);
	question("a.example", DNS_TYPE_A, 1);
	cname("a.example", "b.example", 60);
	cname("a.example", "c.example", 60);
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_BAD);
	header(0x8180, 1, 1, 0, 0);
	question("a.example", DNS_TYPE_A, 1);
	record("a.example", DNS_TYPE_CNAME, 60, "\3x.y\0", 5);
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_BAD);
}

static void test_answer_compression(void **state)
{
	const struct {
		uint8_t high, low;
		enum wire_result want;
	} cases[] = {
	    {0xc0, 12, WIRE_OK},  {0xc0, 27, WIRE_BAD}, {0xc0, 28, WIRE_BAD},
	    {0xc0, 11, WIRE_BAD}, {0xc0, 43, WIRE_BAD}, {0xff, 0xff, WIRE_BAD},
	    {0x80, 12, WIRE_BAD},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		header(0x8180, 1, 1, 0, 0);
		question("a.example", DNS_TYPE_A, 1);
		record("", DNS_TYPE_A, 60, "\1\2\3\4", 4);
		memmove(buf + 29, buf + 28, n++ - 28);
		buf[27] = cases[i].high;
		buf[28] = cases[i].low;
		assert_int_equal(ask("a.example", DNS_TYPE_A), cases[i].want);
	}
}

static void test_answer_limits(void **state)
{
	header(0x8180, 1, 300, 0, 0);
	question("a.example", DNS_TYPE_A, 1);
	for (int i = 0; i < 300; i++)
		record("a.example", DNS_TYPE_A, 0x80000000u, "\1\2\3\4", 4);
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_OK);
	assert_int_equal(answer.n_addrs, DNS_ANSWER_MAX_ADDRS);
	assert_int_equal(answer.ttl_s, 0); /* the sign bit */
	put("x", 1);
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_BAD);
	header(0x8180, 1, 513, 0, 0);
	question("a.example", DNS_TYPE_A, 1);
	for (int i = 0; i < 513; i++)
		record("b", DNS_TYPE_A, 60, "\1\2\3\4", 4);
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_BAD);
	header(0x8180, 1, 1, 0, 0);
	question("a.example", DNS_TYPE_A, 1);
	record("a.example", DNS_TYPE_A, 60, "\1\2\3\4\5", 5);
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_BAD);
}

static void negative(const char *zone, size_t rdata_bytes)
{
	header(0x8183, 1, 0, 1, 0);
	question("a.example", DNS_TYPE_A, 1);
	record(zone, DNS_TYPE_SOA, 900, "\0\0sequrefrretrexpi\0\0\0\x3cx", rdata_bytes);
}

static void test_answer_negative(void **state)
{
	negative("example", 22);
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_OK);
	assert_int_equal(answer.rcode, DNS_NXDOMAIN);
	assert_int_equal(answer.ttl_s, 60);
	negative("ample", 22); /* not at a label's border */
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_OK);
	assert_int_equal(answer.ttl_s, 0);
	negative("example", 21);
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_BAD);
	negative("example", 23);
	assert_int_equal(ask("a.example", DNS_TYPE_A), WIRE_BAD);
}

static void test_query_build(void **state)
{
	struct name name = name_of("api.example.com");
	struct dns_query q;
	int rcode;

	n = dns_query_build(buf, sizeof(buf), 7, &name, DNS_TYPE_HTTPS);
	assert_int_equal(dns_query_parse(buf, n, &q, &rcode), WIRE_OK);
	assert_true(name_equal(&q.name, &name) && q.edns && q.rd);
	assert_int_equal(q.id, 7);
	assert_int_equal(q.type, DNS_TYPE_HTTPS);
	assert_int_equal(dns_query_build(buf, n - 1, 7, &name, DNS_TYPE_A), 0);
}

static size_t reply(const struct dns_query *q, uint8_t *out, size_t max, const char *text)
{
	struct name b = name_of("b.example");
	struct dns_builder builder;

	dns_reply_begin(&builder, out, max, q, DNS_NOERROR);
	dns_reply_cname(&builder, NULL, &b, 30);
	dns_reply_addr(&builder, &b, DNS_TYPE_A, (const uint8_t *)"\1\2\3\4", 60);
	return dns_reply_end(&builder, DNS_EDE_BLOCKED, text);
}

static void test_reply(void **state)
{
	struct name a = name_of("a.example");
	uint8_t out[600];
	struct dns_query q;

	header(0x0100, 1, 0, 0, 1);
	question("A.example", DNS_TYPE_A, 1);
	opt(0);
	assert_query(WIRE_OK, 0, &q);
	size_t size = reply(&q, out, sizeof(out), "why");
	assert_memory_equal(out + 12, buf + 12, 15); /* the case as sent */
	assert_memory_equal(out + size - 9, "\0\x0f\0\5\0\x0fwhy", 9);
	assert_int_equal(dns_answer_parse(out, size, 0x1234, &a, DNS_TYPE_A, &answer), WIRE_OK);
	assert_int_equal(answer.n_addrs, 1);
	assert_int_equal(answer.n_cnames, 1);
	assert_int_equal(answer.ttl_s, 30);
	/* Each size: never over it, never a half record; the text goes before the answer. */
	for (size_t max = 0; max <= size; max++) {
		size_t got = reply(&q, out, max, "why");

		assert_true(got <= max && (got == 0) == (max < 27));
		if (got == 0)
			continue;
		assert_int_equal(dns_answer_parse(out, got, 0x1234, &a, DNS_TYPE_A, &answer),
				 WIRE_OK);
		assert_int_equal(answer.truncated, max < size - 9);
	}
	q.edns = false; /* no error codes to those who cannot read them */
	assert_int_equal(reply(&q, out, sizeof(out), "why"), size - 20);
}

static void test_svcb(void **state)
{
	static const uint8_t rdata[] = "\0\1\3Svc\7example\0"
				       "\0\0\0\4\0\1\0\5"
				       "\0\1\0\3\2h2"
				       "\0\4\0\4\1\2\3\4"
				       "\0\5\0\2xx"
				       "\0\6\0\0";
	static const uint8_t clean[] = "\0\1\3svc\7example\0"
				       "\0\0\0\2\0\1"
				       "\0\1\0\3\2h2";
	uint8_t out[100];
	struct name target;
	struct slice s = {rdata, sizeof(rdata) - 1};

	assert_int_equal(dns_svcb_sanitize(s, out, sizeof(out), &target), sizeof(clean) - 1);
	assert_memory_equal(out, clean, sizeof(clean) - 1);
	assert_string_equal(target.s, "svc.example");
	assert_int_equal(dns_svcb_sanitize(s, out, sizeof(clean) - 2, &target), 0);
	const struct {
		const char *p;
		size_t n, want;
	} cases[] = {
	    {"\0\1\0", 3, 3},
	    {"\0\0\0", 3, 0},                              /* alias */
	    {"\0\1", 2, 0},                                /* no target */
	    {"\0\1\0\0\3\0\2\1\xbb\0\1\0\0", 13, 0},       /* descending */
	    {"\0\1\0\0\3\0\2\1\xbb\0\3\0\2\1\xbb", 15, 0}, /* twice */
	    {"\0\1\0\0\3\0\3\1\xbb", 9, 0},                /* short */
	    {"\0\1\0\0\0\0\2\0\1", 9, 0},                  /* mandatory, not there */
	    {"\0\1\0\0\0\0\2\0\5\0\5\0\1x", 14, 3},        /* mandatory ech alone */
	    {"\0\1\0\0\0\0\2\0\0", 9, 0},                  /* mandatory itself */
	    {"\0\1\3a.b\0", 7, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s = (struct slice){(const uint8_t *)cases[i].p, cases[i].n};
		assert_int_equal(dns_svcb_sanitize(s, out, sizeof(out), &target), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_query_good),
	    cmocka_unit_test(test_query_bad),
	    cmocka_unit_test(test_query_opt),
	    cmocka_unit_test(test_query_names),
	    cmocka_unit_test(test_answer_good),
	    cmocka_unit_test(test_answer_chains),
	    cmocka_unit_test(test_answer_compression),
	    cmocka_unit_test(test_answer_limits),
	    cmocka_unit_test(test_answer_negative),
	    cmocka_unit_test(test_query_build),
	    cmocka_unit_test(test_reply),
	    cmocka_unit_test(test_svcb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
