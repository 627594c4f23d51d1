// SPDX-License-Identifier: GPL-2.0-or-later
/* Learned addresses: who has which, for how long, what the kernel is told of it, and the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fw/engine/names.h"
#include "tests/unit/lab/given.h"

#define NOW  5000000u /* ms */
#define LEFT (NAMES_MIN_TTL_MS + NAMES_GRACE_MS)
#define ROOM 1024

static const char policy_text[] =
    "version: 1\n"
    "egress:\n"
    "  - a.example\n"
    "  - b.example\n"
    "  - tcp://db.example:5432\n"
    "  - udp://time.example:123\n"
    "  - tcp://open.example:443\n"
    "  - http://web.example\n"
    "  - icmp://ping.example\n"
    "  - two.example:443,8443\n"
    "  - \"*.wild.example\"\n"
    "  - {to: tcp://in.example:5432, addresses: [10.0.0.0/8, \"fd00::/8\"]}\n"
    "  - in.example\n"
    "  - {to: tcp://in.example:5432, addresses: [172.16.0.0/12]}\n"
    "  - {to: \"http://in.example:8080\", addresses: [10.0.0.0/8]}\n"
    "  - udp://pin.example:123\n"
    "  - {to: tcp://pin.example:22, addresses: [192.168.0.0/16]}\n"
    "dns: {hosts: {pin.example: 10.9.9.9}}\n"
    "deny:\n"
    "  - 203.0.113.0/24\n";

struct lab {
	struct policy *policy;
	void *blob;
	struct names *names;
	struct learn_entry out[ROOM]; /* what the last call gave for the kernel */
	size_t n;
};

static int setup(void **state)
{
	static struct lab lab;

	given_policy(policy_text, &lab.policy, &lab.blob);
	assert_int_equal(names_new(lab.policy, &lab.names), 0);
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

/* Returns how many entries the kernel is to have. */
static size_t learn(struct lab *lab, const char *n, const char *a, uint32_t ttl_s, uint64_t now_ms)
{
	struct name as = name(n);
	struct addr at = addr(a);

	assert_int_equal(
	    names_learn(lab->names, &as, &at, true, ttl_s, now_ms, lab->out, ROOM, &lab->n), 0);
	return lab->n;
}

static bool has(const struct lab *lab, const char *n, const char *a, uint64_t now_ms)
{
	struct name as = name(n);
	struct addr at = addr(a);

	return names_has(lab->names, &as, &at, now_ms, NULL);
}

static void check_entry(const struct lab *lab, size_t i, bool add, enum learn_set set,
			uint8_t l4proto, const char *a, uint16_t port)
{
	const struct learn_entry *e = &lab->out[i];
	struct addr at = addr(a);

	assert_in_range(i, 0, lab->n - 1);
	assert_int_equal(e->add, add);
	assert_int_equal(e->set, set);
	assert_int_equal(e->l4proto, l4proto);
	assert_int_equal(e->port, port);
	assert_true(addr_equal(&e->addr, &at));
}

/* At an address that is not everybody's. */
static size_t learn_inside(struct lab *lab, const char *n, const char *a, uint64_t now_ms)
{
	struct name as = name(n);
	struct addr at = addr(a);

	assert_int_equal(
	    names_learn(lab->names, &as, &at, false, 60, now_ms, lab->out, ROOM, &lab->n), 0);
	return lab->n;
}

/* "all", "tls", "http", "tls+http" or "" */
static const char *opens(const struct lab *lab, const char *a, uint8_t l4proto, uint16_t port,
			 uint64_t now_ms)
{
	struct addr at = addr(a);
	struct names_open o;

	if (!names_opens(lab->names, &at, l4proto, port, now_ms, &o))
		return "";
	return o.all ? "all" : o.tls && o.http ? "tls+http" : o.tls ? "tls" : "http";
}

static size_t expire(struct lab *lab, uint64_t now_ms)
{
	lab->n = names_expire(lab->names, now_ms, NAMES_BUCKETS, lab->out, ROOM);
	return lab->n;
}

/* ---- pairs --------------------------------------------------------------- */

static void a_pair_is_a_name_and_an_address(void **state)
{
	struct lab *lab = *state;

	assert_false(has(lab, "a.example", "1.2.3.4", NOW));
	learn(lab, "a.example", "1.2.3.4", 60, NOW);
	learn(lab, "b.example", "2600::1", 60, NOW);
	assert_true(has(lab, "a.example", "1.2.3.4", NOW));
	assert_true(has(lab, "A.EXAMPLE.", "::ffff:1.2.3.4", NOW)); /* one form of each */
	assert_true(has(lab, "b.example", "2600::1", NOW));
	assert_false(has(lab, "b.example", "1.2.3.4", NOW));
	assert_false(has(lab, "a.example", "2600::1", NOW));
	assert_false(has(lab, "a.example", "1.2.3.5", NOW));
	assert_false(has(lab, "x.a.example", "1.2.3.4", NOW));
	assert_false(has(lab, "a.example", "102:304::", NOW)); /* the same bytes */
}

static void clients_keep_addresses_past_the_ttl(void **state)
{
	struct lab *lab = *state;

	learn(lab, "a.example", "1.2.3.4", 0, NOW);
	assert_true(has(lab, "a.example", "1.2.3.4", NOW + LEFT - 1));
	assert_false(has(lab, "a.example", "1.2.3.4", NOW + LEFT));
	learn(lab, "a.example", "1.2.3.5", 3000, NOW);
	assert_true(has(lab, "a.example", "1.2.3.5", NOW + 3000000 + NAMES_GRACE_MS - 1));
	assert_false(has(lab, "a.example", "1.2.3.5", NOW + 3000000 + NAMES_GRACE_MS));
	/* A shorter TTL takes nothing away; a longer one counts from when it came. */
	learn(lab, "a.example", "1.2.3.5", 0, NOW + 1000);
	assert_true(has(lab, "a.example", "1.2.3.5", NOW + 3000000 + NAMES_GRACE_MS - 1));
	learn(lab, "a.example", "1.2.3.4", 0, NOW + 1000);
	assert_true(has(lab, "a.example", "1.2.3.4", NOW + 1000 + LEFT - 1));
	learn(lab, "a.example", "1.2.3.4", UINT32_MAX, NOW);
	assert_true(has(lab, "a.example", "1.2.3.4", NOW + UINT32_MAX * (uint64_t)1000));
}

static void names_of_an_address(void **state)
{
	struct lab *lab = *state;
	struct addr at = addr("1.2.3.4");
	struct name got[8];

	assert_int_equal(names_of(lab->names, &at, NOW, got, 8), 0);
	learn(lab, "a.example", "1.2.3.4", 1000, NOW);
	learn(lab, "two.example", "1.2.3.5", 1000, NOW);
	learn(lab, "b.example", "1.2.3.4", 0, NOW);
	learn(lab, "x.wild.example", "1.2.3.4", 1000, NOW);
	assert_int_equal(names_of(lab->names, &at, NOW, got, 8), 3);
	assert_string_equal(got[0].s, "x.wild.example");
	assert_string_equal(got[1].s, "b.example");
	assert_string_equal(got[2].s, "a.example");
	assert_int_equal(names_of(lab->names, &at, NOW, got, 1), 1);
	assert_string_equal(got[0].s, "x.wild.example");
	assert_int_equal(names_of(lab->names, &at, NOW + LEFT, got, 8), 2);
	assert_string_equal(got[1].s, "a.example");
	assert_int_equal(names_of(lab->names, &at, NOW, got, 0), 0);
}

/* ---- the kernel's sets --------------------------------------------------- */

static void what_the_kernel_is_told(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(learn(lab, "a.example", "1.2.3.4", 60, NOW), 1);
	check_entry(lab, 0, true, LEARN_NAMED, IPPROTO_TCP, "1.2.3.4", 443);
	assert_int_equal(learn(lab, "web.example", "2600::1", 60, NOW), 1);
	check_entry(lab, 0, true, LEARN_NAMED, IPPROTO_TCP, "2600::1", 80);
	assert_int_equal(learn(lab, "db.example", "1.2.3.4", 60, NOW), 1);
	check_entry(lab, 0, true, LEARN_OPEN, IPPROTO_TCP, "1.2.3.4", 5432);
	assert_int_equal(learn(lab, "time.example", "1.2.3.4", 60, NOW), 1);
	check_entry(lab, 0, true, LEARN_OPEN, IPPROTO_UDP, "1.2.3.4", 123);
	assert_int_equal(learn(lab, "two.example", "1.2.3.6", 60, NOW), 2);
	assert_int_equal(lab->out[0].port + lab->out[1].port, 443 + 8443);
	/* The engine alone decides these. */
	assert_int_equal(learn(lab, "ping.example", "1.2.3.4", 60, NOW), 0);
	assert_int_equal(learn(lab, "db.example", "203.0.113.9", 60, NOW), 0);
	assert_int_equal(learn(lab, "evil.example", "1.2.3.7", 60, NOW), 0);
	assert_true(has(lab, "ping.example", "1.2.3.4", NOW));
}

static void told_once(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(learn(lab, "a.example", "1.2.3.4", 60, NOW), 1);
	assert_int_equal(learn(lab, "a.example", "1.2.3.4", 60, NOW + 1), 0);
	assert_int_equal(learn(lab, "b.example", "1.2.3.4", 60, NOW + 1), 0); /* the same element */
	assert_int_equal(learn(lab, "a.example", "1.2.3.5", 60, NOW + 1), 1);
	assert_int_equal(learn(lab, "open.example", "1.2.3.4", 60, NOW), 1); /* another set */
	check_entry(lab, 0, true, LEARN_OPEN, IPPROTO_TCP, "1.2.3.4", 443);
}

static void what_does_not_fit_comes_next_time(void **state)
{
	struct lab *lab = *state;
	struct name n = name("two.example");
	struct addr a = addr("1.2.3.4");
	unsigned ports = 0;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    names_learn(lab->names, &n, &a, true, 60, NOW, lab->out, 1, &lab->n), 0);
		assert_int_equal(lab->n, 1);
		ports += lab->out[0].port;
	}
	assert_int_equal(ports, 443 + 8443);
	assert_int_equal(learn(lab, "two.example", "1.2.3.4", 60, NOW), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(names_expire(lab->names, NOW + LEFT, NAMES_BUCKETS, lab->out, 1),
				 1);
	assert_int_equal(expire(lab, NOW + LEFT), 0);
}

static void taken_out_when_the_last_name_is_over(void **state)
{
	struct lab *lab = *state;

	learn(lab, "a.example", "1.2.3.4", 60, NOW);
	learn(lab, "b.example", "1.2.3.4", 600, NOW);
	learn(lab, "db.example", "1.2.3.4", 60, NOW);
	assert_int_equal(expire(lab, NOW + LEFT - 1), 0);
	assert_int_equal(expire(lab, NOW + LEFT), 1); /* b.example needs the other one */
	check_entry(lab, 0, false, LEARN_OPEN, IPPROTO_TCP, "1.2.3.4", 5432);
	assert_false(has(lab, "a.example", "1.2.3.4", NOW)); /* forgotten, not only over */
	assert_true(has(lab, "b.example", "1.2.3.4", NOW + LEFT));
	assert_int_equal(expire(lab, NOW + 600000 + NAMES_GRACE_MS), 1);
	check_entry(lab, 0, false, LEARN_NAMED, IPPROTO_TCP, "1.2.3.4", 443);
	assert_int_equal(expire(lab, NOW + 600000 + NAMES_GRACE_MS), 0);
	assert_int_equal(learn(lab, "a.example", "1.2.3.4", 60, NOW), 1); /* and told anew */
}

/* ---- what is open where -------------------------------------------------- */

/* `addresses:` of one entry open nothing for another entry of the same name, in the kernel
 * either. */
static void an_entry_opens_its_own_addresses(void **state)
{
	static const char *const in[] = {"10.1.2.3", "fd00::1"};
	struct lab *lab = *state;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(learn_inside(lab, "in.example", in[i], NOW), 1 + (i == 0));
		check_entry(lab, lab->n - 1, true, LEARN_OPEN, IPPROTO_TCP, in[i], 5432);
		assert_string_equal(opens(lab, in[i], IPPROTO_TCP, 5432, NOW), "all");
		assert_string_equal(opens(lab, in[i], IPPROTO_TCP, 443, NOW), "");
		assert_string_equal(opens(lab, in[i], IPPROTO_UDP, 5432, NOW), "");
	}
	assert_string_equal(opens(lab, "10.1.2.3", IPPROTO_TCP, 8080, NOW), "http");
	assert_string_equal(opens(lab, "fd00::1", IPPROTO_TCP, 8080, NOW), "");
	/* The second entry for the same port is not hidden by the first. */
	assert_int_equal(learn_inside(lab, "in.example", "172.16.0.1", NOW), 1);
	assert_string_equal(opens(lab, "172.16.0.1", IPPROTO_TCP, 5432, NOW), "all");
	assert_int_equal(learn_inside(lab, "in.example", "192.168.0.1", NOW), 0);
	assert_string_equal(opens(lab, "192.168.0.1", IPPROTO_TCP, 5432, NOW), "");
	/* A public address is open to all entries. */
	learn(lab, "in.example", "1.2.3.4", 60, NOW);
	assert_string_equal(opens(lab, "1.2.3.4", IPPROTO_TCP, 443, NOW), "tls");
	assert_string_equal(opens(lab, "1.2.3.4", IPPROTO_TCP, 5432, NOW), "all");
	/* So is a pinned one, whatever it is. */
	assert_int_equal(learn_inside(lab, "pin.example", "10.9.9.9", NOW), 2);
	assert_string_equal(opens(lab, "10.9.9.9", IPPROTO_UDP, 123, NOW), "all");
	assert_string_equal(opens(lab, "10.9.9.9", IPPROTO_TCP, 22, NOW), "all");
	/* What an address is may change. */
	learn_inside(lab, "in.example", "1.2.3.4", NOW);
	assert_string_equal(opens(lab, "1.2.3.4", IPPROTO_TCP, 443, NOW), "");
	expire(lab, NOW);
	assert_int_equal(lab->n, 3); /* 443 and 8080, and 5432, which was open there */
}

static void names_share_a_port(void **state)
{
	struct lab *lab = *state;

	learn(lab, "a.example", "1.2.3.4", 60, NOW);
	learn(lab, "open.example", "1.2.3.4", 600, NOW);
	assert_string_equal(opens(lab, "1.2.3.4", IPPROTO_TCP, 443, NOW), "all");
	learn(lab, "a.example", "1.2.3.4", 3600, NOW + 1);
	assert_string_equal(opens(lab, "1.2.3.4", IPPROTO_TCP, 443, NOW + 600000 + NAMES_GRACE_MS),
			    "tls");
	expire(lab, NOW + 600000 + NAMES_GRACE_MS);
	assert_int_equal(lab->n, 1);
	check_entry(lab, 0, false, LEARN_OPEN, IPPROTO_TCP, "1.2.3.4", 443);
	assert_string_equal(opens(lab, "1.2.3.4", IPPROTO_TCP, 443, NOW + 600000 + NAMES_GRACE_MS),
			    "tls");
	assert_string_equal(opens(lab, "1.2.3.4", IPPROTO_TCP, 443, NOW + 2 * 3600 * 1000), "");
}

/* However many names come after it: each is heard. */
static void no_name_hides_another(void **state)
{
	struct lab *lab = *state;
	char text[40];

	learn(lab, "db.example", "1.2.3.4", 60, NOW);
	for (unsigned i = 0; i < NAMES_MAX - 1; i++) {
		snprintf(text, sizeof(text), "n%u.wild.example", i);
		learn(lab, text, "1.2.3.4", 60, NOW);
	}
	assert_string_equal(opens(lab, "1.2.3.4", IPPROTO_TCP, 5432, NOW), "all");
	assert_string_equal(opens(lab, "1.2.3.4", IPPROTO_TCP, 443, NOW), "tls");
	assert_int_equal(names_dropped(lab->names), 0);
	learn(lab, "one.more.wild.example", "1.2.3.4", 60, NOW); /* db.example makes room */
	assert_int_equal(names_dropped(lab->names), 1);
	assert_string_equal(opens(lab, "1.2.3.4", IPPROTO_TCP, 5432, NOW), "");
}

/* ---- load ---------------------------------------------------------------- */

static const char *nth(unsigned i)
{
	static char text[20];

	snprintf(text, sizeof(text), "1.%u.%u.%u", 1 + (i >> 16), i >> 8 & 0xff, i & 0xff);
	return text;
}

/* A name with 200 addresses, two per answer, TTL 0: each address comes again before it expires, so
 * it is never refused, nor told to the kernel twice. */
static void rotating_addresses(void **state)
{
	struct lab *lab = *state;
	uint64_t now = NOW;
	size_t told = 0;

	for (unsigned i = 0; i < 4000; i += 2, now += 1000) {
		told += learn(lab, "a.example", nth(i % 200), 0, now);
		told += learn(lab, "a.example", nth((i + 1) % 200), 0, now);
		assert_int_equal(expire(lab, now), 0);
		assert_true(has(lab, "a.example", nth(i % 200), now + LEFT - 1));
		if (i >= 200)
			assert_true(has(lab, "a.example", nth((i + 2) % 200), now));
	}
	assert_int_equal(told, 200);
	assert_int_equal(expire(lab, now + LEFT), 200);
	for (unsigned i = 0; i < 200; i++)
		assert_false(has(lab, "a.example", nth(i), NOW));
}

static void the_oldest_makes_room(void **state)
{
	struct lab *lab = *state;
	struct name got[2];
	unsigned kept = 0;

	for (unsigned i = 0; i < NAMES_MAX; i++)
		learn(lab, "ping.example", nth(i), 3600, NOW);
	assert_true(has(lab, "ping.example", nth(0), NOW));
	learn(lab, "ping.example", nth(0), 60, NOW + 1); /* used again: no longer the oldest */
	for (unsigned i = NAMES_MAX; i < NAMES_MAX + 100; i++)
		learn(lab, "ping.example", nth(i), 60, NOW + 2);
	for (unsigned i = 0; i < NAMES_MAX + 100; i++) {
		bool there = has(lab, "ping.example", nth(i), NOW + 2);
		struct addr at = addr(nth(i));

		assert_int_equal(names_of(lab->names, &at, NOW + 2, got, 2), there);
		assert_int_equal(there, i == 0 || i > 100);
		kept += there;
	}
	assert_int_equal(kept, NAMES_MAX);
}

static void learned_again_is_newest(void **state)
{
	struct lab *lab = *state;
	struct addr at = addr("1.2.3.4");
	struct name got;

	learn(lab, "a.example", "1.2.3.4", 60, NOW);
	learn(lab, "b.example", "1.2.3.4", 60, NOW + 1);
	learn(lab, "a.example", "1.2.3.4", 60, NOW + 2);
	assert_int_equal(names_of(lab->names, &at, NOW + 3, &got, 1), 1);
	assert_string_equal(got.s, "a.example");
}

/* The kernel holds no more than the engine; what does not fit costs a trip each time. */
static void elements_are_bounded(void **state)
{
	struct lab *lab = *state;
	size_t told = 0, out = 0, n;

	for (unsigned i = 0; i < NAMES_MAX + 500; i++)
		told += learn(lab, "db.example", nth(i), 60, NOW);
	assert_int_equal(told, NAMES_MAX);
	while ((n = names_expire(lab->names, NOW + LEFT, NAMES_BUCKETS, lab->out, ROOM)))
		out += n;
	assert_int_equal(out, NAMES_MAX);
	assert_int_equal(learn(lab, "db.example", nth(0), 60, NOW + LEFT), 1);
}

/* A wildcard over one address: each of its names is found at once. */
static void many_names_of_one_address(void **state)
{
	struct lab *lab = *state;
	char text[40];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "n%u.wild.example", i);
		learn(lab, text, "1.2.3.4", 60, NOW);
	}
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "n%u.wild.example", i);
		assert_true(has(lab, text, "1.2.3.4", NOW));
	}
	assert_false(has(lab, "n20000.wild.example", "1.2.3.4", NOW));
}

int main(void)
{
#define NAMES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    NAMES(a_pair_is_a_name_and_an_address),
	    NAMES(clients_keep_addresses_past_the_ttl),
	    NAMES(names_of_an_address),
	    NAMES(an_entry_opens_its_own_addresses),
	    NAMES(names_share_a_port),
	    NAMES(no_name_hides_another),
	    NAMES(what_the_kernel_is_told),
	    NAMES(told_once),
	    NAMES(what_does_not_fit_comes_next_time),
	    NAMES(taken_out_when_the_last_name_is_over),
	    NAMES(rotating_addresses),
	    NAMES(the_oldest_makes_room),
	    NAMES(learned_again_is_newest),
	    NAMES(elements_are_bounded),
	    NAMES(many_names_of_one_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
