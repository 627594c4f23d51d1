// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/wire/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

struct text {
	const char *p;
	size_t n;
};
#define TEXT(s)                                                                                    \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

static enum wire_result parse(const char *text, struct http_request *ret)
{
	return http_request_parse(text, strlen(text), ret);
}

static void assert_slice(struct slice s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.p, text, s.n);
}

static void test_good(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
	} cases[] = {
	    {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example", 0},
	    {"GET / HTTP/1.1\r\nhOST:\t a.example \t\r\n\r\n", "a.example", 0},
	    {"GET / HTTP/1.1\r\nHost: A.example.:8080\r\n\r\n", "A.example.", 8080},
	    {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "[::1]", 80},
	    {"GET http://a.example/x HTTP/1.1\r\nHost: A.EXAMPLE:80\r\n\r\n", "A.EXAMPLE", 80},
	    {"GET HTTP://a.example:81?q HTTP/1.0\r\n\r\n", "a.example", 81},
	    {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", "a", 0},
	    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "a", 0},
	    {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "a", 443},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		struct http_request req;

		assert_int_equal(parse(cases[i].text, &req), WIRE_OK);
		assert_slice(req.host, cases[i].host);
		assert_int_equal(req.port, cases[i].port);
		assert_int_equal(req.head_bytes, strlen(cases[i].text));
		assert_int_equal(req.connect, cases[i].text[0] == 'C');
		for (size_t k = 0; k < req.head_bytes; k++)
			assert_int_equal(http_request_parse(cases[i].text, k, &req), WIRE_MORE);
	}
}

static void test_bad_lines(void **state)
{
	static const struct text cases[] = {
	    TEXT("GET /\r\n"),
	    TEXT("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	    TEXT("GET / HTTP/1.1\nHost: a\n\n"),
	    TEXT("GET / HTTP/1.1\r\nHost: a\n\r\n"),
	    TEXT("GET / HTTP/1.1\r\nX: a\rb\r\nHost: a\r\n\r\n"),
	    TEXT("GET / HTTP/1.1\r\nX: \0\r\nHost: a\r\n\r\n"),
	    TEXT("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"),
	    TEXT("GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
	    TEXT("GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
	    TEXT("GET / HTTP/1.1\r\n: a\r\nHost: a\r\n\r\n"),
	    TEXT("GET / HTTP/1.1\r\nHost a\r\n\r\n"),
	    TEXT("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
	    TEXT("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
	    TEXT("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"),
	    TEXT("GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
	    TEXT("GET / http/1.1\r\nHost: a\r\n\r\n"),
	    TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	    TEXT("GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
	    TEXT("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
	    TEXT("\x16\x03\x01"),
	    TEXT("SSH-2.0-OpenSSH_9.6\r\n"),
	    TEXT("THISMETHODISLONGERTHANANYTHATISREGISTERED"),
	    TEXT(" GET"),
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		struct http_request req;

		assert_int_equal(http_request_parse(cases[i].p, cases[i].n, &req), WIRE_BAD);
	}
}

static void test_bad_hosts(void **state)
{
	static const char *const cases[] = {
	    "GET / HTTP/1.1\r\n\r\n",
	    "GET / HTTP/1.0\r\n\r\n",
	    "GET http://a/ HTTP/1.1\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a:\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a:0\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: :80\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: []\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: [fe80::1%eth0]\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a%2eb\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n",
	    "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
	    "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET http://a\\@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET http://a#@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
	    "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
	    "CONNECT a:443 HTTP/1.1\r\nHost: a:80\r\n\r\n",
	    "CONNECT a:443 HTTP/1.1\r\nHost: b:443\r\n\r\n",
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		struct http_request req;

		assert_int_equal(parse(cases[i], &req), WIRE_BAD);
	}
}

static void test_framing(void **state)
{
	static const struct {
		const char *headers;
		enum wire_result want;
	} cases[] = {
	    {"Content-Length: 5\r\n", WIRE_OK},
	    {"Content-Length: 999999999999999999\r\n", WIRE_OK},
	    {"Content-Length: 9999999999999999999\r\n", WIRE_BAD},
	    {"Content-Length: -1\r\n", WIRE_BAD},
	    {"Content-Length: +1\r\n", WIRE_BAD},
	    {"Content-Length: 0x5\r\n", WIRE_BAD},
	    {"Content-Length: 5, 5\r\n", WIRE_BAD},
	    {"Content-Length:\r\n", WIRE_BAD},
	    {"Content-Length: 5\r\nContent-Length: 5\r\n", WIRE_BAD},
	    {"Transfer-Encoding: chunked\r\n", WIRE_OK},
	    {"Transfer-Encoding: Chunked\r\n", WIRE_BAD},
	    {"Transfer-Encoding: gzip, chunked\r\n", WIRE_BAD},
	    {"Transfer-Encoding: xchunked\r\n", WIRE_BAD},
	    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", WIRE_BAD},
	    {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", WIRE_BAD},
	    {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", WIRE_BAD},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		struct http_request req;
		char text[256];

		snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n",
			 cases[i].headers);
		assert_int_equal(parse(text, &req), cases[i].want);
		if (i == 0)
			assert_int_equal(req.body_bytes, 5);
		if (req.chunked && cases[i].want == WIRE_OK)
			assert_int_equal(req.body_bytes, 0);
		snprintf(text, sizeof(text), "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n%s\r\n",
			 cases[i].headers);
		assert_int_equal(parse(text, &req), WIRE_BAD);
	}
	struct http_request req;
	assert_int_equal(
	    parse("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", &req),
	    WIRE_BAD);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n", &req), WIRE_OK);
	assert_true(req.upgrade);
}

static void test_head_limit(void **state)
{
	struct http_request req;
	char *text = malloc(HTTP_HEAD_MAX + 1);

	assert_non_null(text);
	memset(text, 'x', HTTP_HEAD_MAX + 1);
	memcpy(text, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
	assert_int_equal(http_request_parse(text, HTTP_HEAD_MAX - 1, &req), WIRE_MORE);
	assert_int_equal(http_request_parse(text, HTTP_HEAD_MAX, &req), WIRE_BAD);
	memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(http_request_parse(text, HTTP_HEAD_MAX + 1, &req), WIRE_OK);
	free(text);
}

static void test_chunks(void **state)
{
	static const struct {
		struct text text;
		enum wire_result want;
		size_t used;
	} cases[] = {
	    {TEXT("5\r\nhello\r\n0\r\n\r\nGET /"), WIRE_OK, 15},
	    {TEXT("05;a=b\r\nhello\r\n000\r\n\r\n"), WIRE_OK, 22},
	    {TEXT("0\r\nX-Sum: 1\r\nY:\r\n\r\n"), WIRE_OK, 19},
	    {TEXT("fffffffffffffff\r\n"), WIRE_MORE, 17},
	    {TEXT("1000000000000000\r\n"), WIRE_BAD, 16},
	    {TEXT("\r\n"), WIRE_BAD, 1},
	    {TEXT("-1\r\n"), WIRE_BAD, 1},
	    {TEXT("0x5\r\n"), WIRE_BAD, 2},
	    {TEXT("5 \r\nhello"), WIRE_BAD, 2},
	    {TEXT("5\nhello"), WIRE_BAD, 2},
	    {TEXT("5\r\nhelloX\n"), WIRE_BAD, 9},
	    {TEXT("5;\0\r\n"), WIRE_BAD, 3},
	    {TEXT("5;a\nhello"), WIRE_BAD, 4},
	    {TEXT("0\r\n X: folded\r\n\r\n"), WIRE_BAD, 4},
	    {TEXT("0\r\nnocolon\r\n\r\n"), WIRE_BAD, 11},
	    {TEXT("0\r\n\rX"), WIRE_BAD, 5},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		struct http_chunks whole = {0}, bytes = {0};
		enum wire_result r = WIRE_MORE;
		size_t used, at = 0, one;

		assert_int_equal(http_chunks_feed(&whole, cases[i].text.p, cases[i].text.n, &used),
				 cases[i].want);
		assert_int_equal(used, cases[i].used);
		for (; at < cases[i].text.n && r == WIRE_MORE; at += one)
			r = http_chunks_feed(&bytes, cases[i].text.p + at, 1, &one);
		assert_int_equal(r, cases[i].want);
		assert_int_equal(at, cases[i].used);
	}
}

static void test_chunk_limits(void **state)
{
	struct http_chunks c = {0};
	enum wire_result r;
	size_t used, fed = 0;

	assert_int_equal(http_chunks_feed(&c, "5;", 2, &used), WIRE_MORE);
	while ((r = http_chunks_feed(&c, "x", 1, &used)) == WIRE_MORE && fed < 100000)
		fed++;
	assert_int_equal(r, WIRE_BAD);
	assert_int_equal(fed, 256);
	c = (struct http_chunks){0};
	assert_int_equal(http_chunks_feed(&c, "0\r\n", 3, &used), WIRE_MORE);
	for (fed = 0; (r = http_chunks_feed(&c, "X: y\r\n", 6, &used)) == WIRE_MORE; fed++)
		assert_true(fed < 100000);
	assert_int_equal(r, WIRE_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),         cmocka_unit_test(test_bad_lines),
	    cmocka_unit_test(test_bad_hosts),    cmocka_unit_test(test_framing),
	    cmocka_unit_test(test_head_limit),   cmocka_unit_test(test_chunks),
	    cmocka_unit_test(test_chunk_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
