// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/wire/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A hello under construction, and the stream of records that carries it. */
static uint8_t msg[20000], stream[120000];
static size_t msg_n, stream_n;

static void put(const void *bytes, size_t n)
{
	memcpy(msg + msg_n, bytes, n);
	msg_n += n;
}

static void put_u16(size_t value)
{
	const uint8_t b[2] = {(uint8_t)(value >> 8), (uint8_t)value};

	put(b, 2);
}

static void set_u16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static size_t extensions_at;

static void hello_begin(void)
{
	static const uint8_t random[32];

	msg_n = 0;
	put("\1\0\0\0\3\3", 6);
	put(random, 32);
	put("\0\0\2\x13\1\1\0", 7);
	extensions_at = msg_n;
	put("\0\0", 2);
}

static void put_ext(uint16_t type, const void *bytes, size_t n)
{
	put_u16(type);
	put_u16(n);
	put(bytes, n);
}

static void put_sni(const void *name, size_t n)
{
	put_u16(0);
	put_u16(n + 5);
	put_u16(n + 3);
	put("\0", 1);
	put_u16(n);
	put(name, n);
}

static void hello_end(void)
{
	set_u16(msg + extensions_at, msg_n - extensions_at - 2);
	set_u16(msg + 2, msg_n - 4);
}

static void put_record(uint8_t type, const uint8_t *bytes, size_t n)
{
	const uint8_t header[5] = {type, 3, 1, (uint8_t)(n >> 8), (uint8_t)n};

	memcpy(stream + stream_n, header, 5);
	memcpy(stream + stream_n + 5, bytes, n);
	stream_n += 5 + n;
}

static void records_of(size_t size)
{
	stream_n = 0;
	for (size_t at = 0; at < msg_n; at += size)
		put_record(22, msg + at, msg_n - at < size ? msg_n - at : size);
}

/* From a copy of exactly n bytes, so that a sanitizer sees a read behind it. */
static enum wire_result parse(size_t n, struct tls_hello *ret)
{
	uint8_t *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	memcpy(copy, stream, n);
	enum wire_result r = tls_client_hello(copy, n, ret);
	free(copy);
	return r;
}

static enum wire_result parse_msg(struct tls_hello *ret)
{
	hello_end();
	records_of(16384);
	return parse(stream_n, ret);
}

static void simple(void)
{
	hello_begin();
	put_ext(10, "\0\2\0\x1d", 4);
	put_sni("api.example.com", 15);
	hello_end();
}

static void test_split_everywhere(void **state)
{
	struct tls_hello hello;

	simple();
	for (size_t size = 1; size <= msg_n; size++) {
		records_of(size);
		for (size_t n = 0; n < stream_n; n++)
			assert_int_equal(parse(n, &hello), WIRE_MORE);
		assert_int_equal(parse(stream_n, &hello), WIRE_OK);
		assert_int_equal(hello.sni_len, 15);
		assert_string_equal(hello.sni, "api.example.com");
		assert_false(hello.ech);
	}
}

static void test_names(void **state)
{
	struct tls_hello hello;
	char name[300];

	memset(name, 'a', sizeof(name));
	hello_begin();
	put_sni(name, 255);
	assert_int_equal(parse_msg(&hello), WIRE_OK);
	assert_int_equal(hello.sni_len, 255);
	hello_begin();
	put_sni(name, 256);
	assert_int_equal(parse_msg(&hello), WIRE_BAD);
	hello_begin();
	put_sni("a\0b", 3); /* told as it is: canonicalising refuses it */
	assert_int_equal(parse_msg(&hello), WIRE_OK);
	assert_int_equal(hello.sni_len, 3);
	hello_begin();
	assert_int_equal(parse_msg(&hello), WIRE_OK);
	assert_int_equal(hello.sni_len, 0);
}

static void test_bad_server_name(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} cases[] = {
	    {"", 0},
	    {"\0\0", 2},
	    {"\0\3\0\0\0", 5},
	    {"\0\4\1\0\1a", 6},
	    {"\0\4\0\0\1ab", 7},
	    {"\0\5\0\0\1ab", 7},
	    {"\0\4\0\0\2a", 6},
	    {"\0\x08\0\0\1a\0\0\1b", 10},
	    {"\0\x08\0\0\1a\1\0\1b", 10},
	};
	struct tls_hello hello;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		hello_begin();
		put_ext(0, cases[i].p, cases[i].n);
		assert_int_equal(parse_msg(&hello), WIRE_BAD);
	}
	hello_begin();
	put_ext(0, "\0\4\0\0\1a", 6);
	assert_int_equal(parse_msg(&hello), WIRE_OK);
	put_ext(0, "\0\4\0\0\1a", 6);
	assert_int_equal(parse_msg(&hello), WIRE_BAD);
}

static void test_extensions(void **state)
{
	struct tls_hello hello;

	hello_begin();
	put_ext(0xfe0d, "x", 1);
	assert_int_equal(parse_msg(&hello), WIRE_OK);
	assert_true(hello.ech);
	hello_begin();
	put_ext(0xff02, "x", 1);
	assert_int_equal(parse_msg(&hello), WIRE_OK);
	assert_true(hello.ech);
	hello_begin();
	put_ext(0xff01, "\0", 1); /* renegotiation_info is not one of the drafts */
	assert_int_equal(parse_msg(&hello), WIRE_OK);
	assert_false(hello.ech);
	put_ext(0xff01, "\0", 1);
	assert_int_equal(parse_msg(&hello), WIRE_BAD);
	hello_begin();
	put("\0\1\0", 3); /* a piece of an extension */
	assert_int_equal(parse_msg(&hello), WIRE_BAD);
	hello_begin();
	put_u16(1);
	put_u16(1);
	assert_int_equal(parse_msg(&hello), WIRE_BAD);
	simple();
	msg[msg_n++] = 0; /* behind the extensions, inside the message */
	set_u16(msg + 2, msg_n - 4);
	records_of(16384);
	assert_int_equal(parse(stream_n, &hello), WIRE_BAD);
}

static void test_body(void **state)
{
	struct tls_hello hello;

	hello_begin();
	msg_n -= 2; /* without extensions, as TLS 1.0 allows */
	set_u16(msg + 2, msg_n - 4);
	records_of(16384);
	assert_int_equal(parse(stream_n, &hello), WIRE_OK);
	const struct {
		size_t at;
		uint8_t value;
	} wrong[] = {{0, 2}, {1, 1}, {4, 2}, {38, 33}, {40, 1}, {40, 0}, {43, 0}, {43, 9}};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		simple();
		msg[wrong[i].at] = wrong[i].value;
		records_of(16384);
		assert_int_equal(parse(stream_n, &hello), WIRE_BAD);
	}
}

static void test_records(void **state)
{
	static const char *const not_tls[] = {
	    "GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\x80\x2e\1\3\1",
	    "\x17\3\3",           "\x16\2",        "\x16\3\1\x40\1"};
	struct tls_hello hello;

	for (size_t i = 0; i < sizeof(not_tls) / sizeof(not_tls[0]); i++)
		assert_int_equal(tls_client_hello(not_tls[i], strlen(not_tls[i]), &hello),
				 WIRE_BAD);
	assert_int_equal(tls_client_hello("\x16\3\1\0\0", 5, &hello), WIRE_BAD);
	assert_int_equal(tls_client_hello("\x16\3\1\0\5\2", 6, &hello), WIRE_BAD);

	static const uint8_t between[] = {20, 21, 23, 24};
	for (size_t i = 0; i < sizeof(between); i++) {
		simple();
		stream_n = 0;
		put_record(22, msg, 20);
		put_record(between[i], (const uint8_t *)"\1\0", 2);
		put_record(22, msg + 20, msg_n - 20);
		assert_int_equal(parse(stream_n, &hello), WIRE_BAD);
	}
}

static void test_tail(void **state)
{
	struct tls_hello hello;

	simple();
	records_of(16384);
	size_t whole = stream_n;
	put_record(20, (const uint8_t *)"\1", 1);
	put_record(23, msg, 30);
	for (size_t n = whole; n <= stream_n; n++)
		assert_int_equal(parse(n, &hello), WIRE_OK);
	stream_n = whole;
	put_record(22, msg, msg_n); /* a second hello */
	assert_int_equal(parse(stream_n, &hello), WIRE_BAD);
	assert_int_equal(parse(whole + 1, &hello), WIRE_BAD);
	stream[whole] = 'G';
	assert_int_equal(parse(whole + 1, &hello), WIRE_BAD);

	simple(); /* and one in the same record */
	memcpy(msg + msg_n, msg, msg_n);
	msg_n *= 2;
	records_of(16384);
	assert_int_equal(parse(stream_n, &hello), WIRE_BAD);
	records_of(msg_n / 2 + 1);
	assert_int_equal(parse(stream_n, &hello), WIRE_BAD);
}

static void test_limits(void **state)
{
	static uint8_t padding[16384];
	struct tls_hello hello;

	hello_begin();
	put_sni("a.example", 9);
	put_ext(21, padding, TLS_HELLO_MAX - msg_n - 4);
	assert_int_equal(msg_n, TLS_HELLO_MAX);
	assert_int_equal(parse_msg(&hello), WIRE_OK);
	assert_string_equal(hello.sni, "a.example");
	records_of(100);
	assert_int_equal(parse(stream_n, &hello), WIRE_OK);
	records_of(10); /* more record headers than any sender has */
	assert_int_equal(parse(TLS_STREAM_MAX - 1, &hello), WIRE_MORE);
	assert_int_equal(parse(TLS_STREAM_MAX, &hello), WIRE_BAD);
	put("x", 1);
	hello_end();
	records_of(1000);
	assert_int_equal(parse(9, &hello), WIRE_BAD);

	hello_begin();
	for (uint16_t i = 0; i < 128; i++)
		put_ext(100 + i, "", 0);
	assert_int_equal(parse_msg(&hello), WIRE_OK);
	put_ext(99, "", 0);
	assert_int_equal(parse_msg(&hello), WIRE_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_split_everywhere),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_bad_server_name),
	    cmocka_unit_test(test_extensions),
	    cmocka_unit_test(test_body),
	    cmocka_unit_test(test_records),
	    cmocka_unit_test(test_tail),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
