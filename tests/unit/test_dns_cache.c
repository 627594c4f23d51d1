// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers for their TTL: which are found, when they expire, and that the cache stays bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "fw/engine/dns/cache.h"

#define NOW  1000000u /* ms */
#define MANY 40000u

static int setup(void **state)
{
	struct dns_cache *c;

	assert_int_equal(dns_cache_new(&c), 0);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	dns_cache_free(*state);
	return 0;
}

static struct name name(const char *text)
{
	struct name n;

	if (!name_canon(text, strlen(text), &n))
		fail_msg("'%s' is no name", text);
	return n;
}

/* An answer with one address, which tells it from others. */
static void put(struct dns_cache *c, const char *text, uint16_t type, uint32_t ttl_s, uint8_t mark)
{
	static struct dns_result res;
	struct name n = name(text);

	res = (struct dns_result){.ttl_s = ttl_s,
				  .until_ms = NOW + (uint64_t)ttl_s * 1000,
				  .n_addrs = 1,
				  .addrs = {{4, {1, 2, 3, mark}}}};
	dns_cache_put(c, &n, type, &res);
	memset(&res, 0xff, sizeof(res)); /* it was copied */
}

/* The mark of what is found, or -1. */
static int get(struct dns_cache *c, const char *text, uint16_t type, uint64_t now_ms)
{
	struct name n = name(text);
	const struct dns_result *res = dns_cache_get(c, &n, type, now_ms);

	if (!res)
		return -1;
	assert_int_equal(res->n_addrs, 1);
	assert_memory_equal(res->addrs[0].b, "\1\2\3", 3);
	return res->addrs[0].b[3];
}

static void found_by_name_and_type(void **state)
{
	struct dns_cache *c = *state;

	assert_int_equal(get(c, "a.example", DNS_TYPE_A, NOW), -1);
	put(c, "a.example", DNS_TYPE_A, 60, 1);
	put(c, "a.example", DNS_TYPE_AAAA, 60, 2);
	put(c, "b.example", DNS_TYPE_A, 60, 3);
	assert_int_equal(get(c, "a.example", DNS_TYPE_A, NOW), 1);
	assert_int_equal(get(c, "A.Example.", DNS_TYPE_AAAA, NOW), 2);
	assert_int_equal(get(c, "b.example", DNS_TYPE_A, NOW), 3);
	assert_int_equal(get(c, "b.example", DNS_TYPE_AAAA, NOW), -1);
	assert_int_equal(get(c, "a.exampl", DNS_TYPE_A, NOW), -1);
	assert_int_equal(get(c, "a.example.example", DNS_TYPE_A, NOW), -1);
}

static void over_when_the_ttl_is(void **state)
{
	struct dns_cache *c = *state;
	struct name n = name("a.example");
	const struct dns_result *res;

	put(c, "a.example", DNS_TYPE_A, 60, 1);
	assert_int_equal(get(c, "a.example", DNS_TYPE_A, NOW + 59999), 1);
	assert_int_equal(get(c, "a.example", DNS_TYPE_A, NOW + 60000), -1);
	assert_int_equal(get(c, "a.example", DNS_TYPE_A, NOW + 60001), -1);
	res = dns_cache_get(c, &n, DNS_TYPE_A, NOW);
	assert_non_null(res);
	assert_int_equal(res->ttl_s, 60);
	assert_int_equal(dns_result_ttl(res, NOW), 60);
	assert_int_equal(dns_result_ttl(res, NOW + 1), 59); /* down: never longer than it lives */
	assert_int_equal(dns_result_ttl(res, NOW + 59001), 0);
	assert_int_equal(dns_result_ttl(res, NOW + 60000), 0);
	assert_int_equal(dns_result_ttl(res, NOW + 90000), 0);
}

static void no_ttl_is_not_kept(void **state)
{
	struct dns_cache *c = *state;

	put(c, "a.example", DNS_TYPE_A, 0, 1);
	assert_int_equal(get(c, "a.example", DNS_TYPE_A, NOW - 1), -1);
	put(c, "a.example", DNS_TYPE_A, 60, 2);
	put(c, "a.example", DNS_TYPE_A, 0, 3);
	assert_int_equal(get(c, "a.example", DNS_TYPE_A, NOW), 2);
}

static void a_newer_answer_replaces(void **state)
{
	struct dns_cache *c = *state;

	put(c, "a.example", DNS_TYPE_A, 600, 1);
	put(c, "a.example", DNS_TYPE_A, 60, 2);
	assert_int_equal(get(c, "a.example", DNS_TYPE_A, NOW), 2);
	assert_int_equal(get(c, "a.example", DNS_TYPE_A, NOW + 60000), -1); /* not the older one */
	put(c, "a.example", DNS_TYPE_A, 120, 3);
	assert_int_equal(get(c, "a.example", DNS_TYPE_A, NOW + 60000), 3);
}

static const char *nth(unsigned i)
{
	static char text[40];

	snprintf(text, sizeof(text), "n%u.example", i);
	return text;
}

static void bounded_and_the_latest_is_there(void **state)
{
	struct dns_cache *c = *state;
	unsigned kept = 0, newer = 0;

	for (unsigned i = 0; i < MANY; i++) {
		put(c, nth(i), DNS_TYPE_A, 60 + i / 100, (uint8_t)i);
		assert_int_equal(get(c, nth(i), DNS_TYPE_A, NOW), (uint8_t)i);
	}
	for (unsigned i = 0; i < MANY; i++) {
		int mark = get(c, nth(i), DNS_TYPE_A, NOW);

		/* Whatever took the place, nobody gets another name's answer. */
		assert_true(mark == -1 || mark == (uint8_t)i);
		kept += mark >= 0;
		newer += mark >= 0 && i >= MANY / 2;
	}
	assert_in_range(kept, 1000, 10000);
	assert_true(newer > kept / 2);
}

/* A full cache keeps one answer per name: replacing it never leaves an older one behind. */
static void replaced_where_it_is_full(void **state)
{
	struct dns_cache *c = *state;

	for (unsigned i = 0; i < MANY / 4; i++)
		put(c, nth(i), DNS_TYPE_A, 60 + i % 7, (uint8_t)i);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < MANY / 4; i++) {
			uint32_t ttl_s = 10 + (i * 7 + round * 3) % 90;

			put(c, nth(i), DNS_TYPE_A, ttl_s, (uint8_t)(i + round));
			assert_int_equal(get(c, nth(i), DNS_TYPE_A, NOW), (uint8_t)(i + round));
			assert_int_equal(get(c, nth(i), DNS_TYPE_A, NOW + ttl_s * 1000), -1);
			assert_int_equal(get(c, nth(i), DNS_TYPE_AAAA, NOW), -1);
		}
		for (unsigned i = 0; i < MANY / 4; i++) {
			int mark = get(c, nth(i), DNS_TYPE_A, NOW);

			assert_true(mark == -1 || mark == (uint8_t)(i + round));
		}
	}
}

static void a_whole_answer_comes_back(void **state)
{
	static struct dns_result res;
	struct dns_cache *c = *state;
	struct name n = name("h.example");
	const struct dns_result *got;

	res = (struct dns_result){
	    .rcode = DNS_NXDOMAIN, .ttl_s = 9, .until_ms = NOW + 9000, .n_addrs = 0, .n_rdata = 2};
	res.rdata_at[1] = 3;
	res.rdata_at[2] = sizeof(res.rdata);
	memset(res.rdata, 'x', sizeof(res.rdata));
	dns_cache_put(c, &n, DNS_TYPE_HTTPS, &res);
	got = dns_cache_get(c, &n, DNS_TYPE_HTTPS, NOW);
	assert_non_null(got);
	assert_ptr_not_equal(got, &res);
	assert_memory_equal(got, &res, sizeof(res));
}

int main(void)
{
#define CACHE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CACHE(found_by_name_and_type),
	    CACHE(over_when_the_ttl_is),
	    CACHE(no_ttl_is_not_kept),
	    CACHE(a_newer_answer_replaces),
	    CACHE(bounded_and_the_latest_is_there),
	    CACHE(replaced_where_it_is_full),
	    CACHE(a_whole_answer_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
